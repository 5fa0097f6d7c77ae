# SPDX-License-Identifier: Apache-2.0
"""A FedAvg recipe of NVFlare's, for a server that learns nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nvflare.app_common.app_constant import AppConstants

from quorate_nvflare.aggregator import QuorateAggregator
from quorate_nvflare.model_filter import QuorateModelFilter
from quorate_nvflare.update_filter import QuorateUpdateFilter

if TYPE_CHECKING:  # importing it reads the command line
    from nvflare.recipe.spec import Recipe

R = TypeVar("R", bound="Recipe")
_TASKS = [AppConstants.TASK_TRAIN, AppConstants.TASK_VALIDATION, AppConstants.TASK_SUBMIT_MODEL]


def quorate_recipe(recipe: Callable[..., R], **arguments: Any) -> R:
    """``recipe(**arguments)`` with QuorateAggregator at the server, and the filters at the sites.

    recipe: a FedAvg recipe of NVFlare's, such as NumpyFedAvgRecipe, or FedAvgRecipe of PyTorch. A
    site whose privacy.json has the filters already uses those. Sites and server have
    quorate_nvflare installed: the job brings no copy.
    """
    made = recipe(aggregator=QuorateAggregator(), **arguments)
    made._job.set_app_packages(["quorate_nvflare", "quorate_client"])
    made.add_client_input_filter(QuorateModelFilter(), tasks=_TASKS)
    made.add_client_output_filter(QuorateUpdateFilter(), tasks=_TASKS)
    return made
