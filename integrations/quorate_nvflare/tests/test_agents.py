# SPDX-License-Identifier: Apache-2.0
"""The filters of four sites with real agents: rounds, and what may go wrong between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import numpy as np
import pytest
from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.app_common.abstract.fl_model import ParamsType
from nvflare.app_common.utils.fl_model_utils import FLModelUtils
from quorate_nvflare.errors import AgentRefused
from quorate_nvflare.receipt import SENT_FIRST
from staged import Staged

from quorate_client import Answer, Visits
from quorate_nvflare import QuorateModelFilter, QuorateUpdateFilter, Receipt
from tests.stage.server import Server
from tests.stage.shareables import Params, arrays_in, model, sent, trained

JOB = "job-7"
STEP = {1: 0.25, 2: 0.5, 3: 1.0, 4: -0.5}
EXAMPLES = {1: 10, 2: 20, 3: 30, 4: 40}
ALL = (1, 2, 3, 4)
STARTS = count(1)
PLAN: dict[str, Any] = {
    "rounds": 4, "seconds": 8, "least_contributors": 3, "clip": 8.0, "bits": 32,
    "max_examples": 100, "suite": "paillier",
}  # fmt: skip
Between = Callable[[], None]


@pytest.fixture(scope="module")
def staged() -> Iterator[Staged]:
    with Staged(4, **PLAN) as made:
        yield made


@pytest.fixture
def sockets(staged: Staged, request: pytest.FixtureRequest) -> list[str]:
    """Of a study of this test alone."""
    return study(staged, f"s{abs(hash(request.node.name))}")


def study(staged: Staged, name: str) -> list[str]:
    return list(map(str, staged.study(name, **PLAN)))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


class Site:
    """What NVFlare does with a task at a site. Each task has new filters, as a new process has.

    start: the first model. Each study has another: from one model there is one round at a time.
    """

    def __init__(self, number: int, socket: str, start: float, job: str = JOB) -> None:
        self.server = Server()
        self.number, self.socket, self.start, self.job = number, socket, start, job
        properties = {"quorate-socket": socket}
        private = {FLContextKey.SCOPE_PROPERTIES: properties}
        self._contexts = FLContextManager(self.server, f"site-{number}", job, {}, private)

    def begins(self, number: int) -> tuple[FLContext, Params]:
        """A task with the first model; the model that the app is given."""
        context = self._contexts.new_context()
        context.set_prop(FLContextKey.TASK_NAME, "train", private=True, sticky=False)
        meta = {SENT_FIRST: True} if number else {}
        given = QuorateModelFilter().process(sent(model(self.start), number, **meta), context)
        params = FLModelUtils.from_shareable(given).params
        assert params is not None
        return context, params

    def sends(self, context: FLContext, params: Params) -> Receipt:
        """The app's result: the model and this site's step, as a difference at the second one."""
        is_whole = self.number != 2
        made = {
            name: (values if is_whole else 0 * values) + np.float32(STEP[self.number])
            for name, values in params.items()
        }
        kind = ParamsType.FULL if is_whole else ParamsType.DIFF
        reply = QuorateUpdateFilter().process(trained(made, EXAMPLES[self.number], kind), context)
        assert arrays_in(reply) == []
        receipt = Receipt.read(FLModelUtils.from_shareable(reply).params)
        assert receipt is not None
        return receipt

    def trains(self, number: int, between: Between = lambda: None) -> Receipt:
        """The whole task. between: what happens while the app trains."""
        context, params = self.begins(number)
        between()
        return self.sends(context, params)

    def model(self) -> Answer:
        """Where the hospital stands."""
        with Visits(self.socket, f"nvflare/{self.job}") as agent:
            return agent.model()


@pytest.fixture
def sites(sockets: list[str]) -> list[Site]:
    start = float(next(STARTS))
    return [Site(k, socket, start) for k, socket in enumerate(sockets, 1)]


def precision(examples: int) -> float:
    """Of an average over so many, in the plan's terms: 16 steps of each hospital's sum.

    The suite gives up to 7 bits to its head.
    """
    return float(4 * 16 * 8.0 * 100 / (1 << 24) / examples) + 1e-5  # and what float32 rounds


def clear(start: float, *rounds: tuple[int, ...]) -> Params:
    """What clear FedAvg makes of the first model, with those sites in each round."""
    made = model(start)
    for sites in rounds:
        total = sum(EXAMPLES[one] for one in sites)
        step = sum(EXAMPLES[one] * STEP[one] for one in sites) / total
        made = {name: values + np.float32(step) for name, values in made.items()}
    return made


def all_stand_at(sites: list[Site], *rounds: tuple[int, ...]) -> None:
    """At one model, which is what clear FedAvg has, within the plan's precision."""
    due = clear(sites[0].start, *rounds)
    found = [site.model() for site in sites]
    assert len({one.receipt.model for one in found if one.receipt}) == 1
    for name, values in due.items():
        ours = found[0].parameters[name]
        np.testing.assert_allclose(ours, values, rtol=0, atol=len(rounds) * precision(60))


def together(threads: ThreadPoolExecutor, sites: list[Site], number: int) -> list[Receipt]:
    return list(threads.map(lambda site: site.trains(number), sites))


def test_rounds_are_what_clear_fedavg_has(sites: list[Site], threads: ThreadPoolExecutor) -> None:
    for number in (0, 1):
        receipts = together(threads, sites, number)
        assert {(one.round, one.outcome, one.contributors) for one in receipts} == {
            (number + 1, "applied", 4)
        }
        assert len({one.model for one in receipts}) == 1
    all_stand_at(sites, ALL, ALL)


def test_a_second_job_of_one_study_is_refused_with_what_to_do(
    staged: Staged, sites: list[Site], threads: ThreadPoolExecutor
) -> None:
    together(threads, sites, 0)
    other = Site(1, sites[0].socket, 0, "job-8")
    with pytest.raises(AgentRefused, match=r"for run nvflare/job-7 .* Propose another study") as no:
        other.begins(0)
    assert no.value.rule == "run"
    again = [Site(k, socket, 0, "job-8") for k, socket in enumerate(study(staged, "second"), 1)]
    assert {one.outcome for one in together(threads, again, 0)} == {"applied"}


def test_agents_and_the_aggregator_may_be_started_anew_in_a_round(
    staged: Staged, sites: list[Site], threads: ThreadPoolExecutor
) -> None:
    together(threads, sites, 0)

    def anew() -> None:
        staged.does("stop", hospital=2)
        staged.does("stop")
        staged.does("start")
        staged.does("start", hospital=2)

    others = [threads.submit(sites[k].trains, 1) for k in (0, 2, 3)]
    receipts = [sites[1].trains(1, anew), *(one.result(60) for one in others)]
    assert {(one.round, one.outcome) for one in receipts} == {(2, "applied")}
    all_stand_at(sites, ALL, ALL)


def test_a_site_whose_process_has_died_begins_the_same_round_again(
    staged: Staged, sites: list[Site], threads: ThreadPoolExecutor
) -> None:
    others = [threads.submit(sites[k].trains, 0) for k in (0, 1, 3)]
    sites[2].begins(0)  # and nothing of it is left
    receipts = [sites[2].trains(0), *(one.result(60) for one in others)]
    assert {(one.round, one.outcome) for one in receipts} == {(1, "applied")}
    all_stand_at(sites, ALL)


def test_sites_that_begin_with_different_models_are_told_so(
    staged: Staged, sites: list[Site], threads: ThreadPoolExecutor
) -> None:
    for site in sites[2:]:
        site.start += 0.5
    begun = [threads.submit(site.begins, 0) for site in sites]
    errors = [one.exception(15) for one in begun]
    assert {type(error) for error in errors} == {AgentRefused}
    assert {error.rule for error in errors if isinstance(error, AgentRefused)} == {"disagreement"}


def test_a_site_that_is_late_is_told_so_and_back_two_rounds_later_it_is_in_the_sum(
    sites: list[Site], threads: ThreadPoolExecutor
) -> None:
    others, away = sites[:3], sites[3]
    together(threads, sites, 0)
    begun = [threads.submit(site.begins, 1) for site in sites]
    tasks = [one.result(60) for one in begun]
    sent = [threads.submit(s.sends, *task) for s, task in zip(others, tasks, strict=False)]
    assert {one.result(60).contributors for one in sent} == {3}
    late = away.sends(*tasks[3])
    assert (late.round, late.outcome, late.in_sum) == (2, "late", False)
    assert {one.contributors for one in together(threads, others, 2)} == {3}
    receipts = together(threads, sites, 3)
    assert {(one.round, one.outcome, one.contributors) for one in receipts} == {(4, "applied", 4)}
    all_stand_at(sites, ALL, (1, 2, 3), (1, 2, 3), ALL)
