# SPDX-License-Identifier: Apache-2.0
"""How a program's parameters become the entries of a model, and back."""

from collections.abc import Mapping
from typing import Any, Protocol

from quorate_client.errors import AgentError


class Form(Protocol):
    """How parameters become entries and back."""

    def entries(self, parameters: Any) -> tuple[str, Mapping[str, Any]]:
        """``list`` or ``dict``, and each entry by name: array, torch tensor, Tensor or Held."""

    def held(self, name: str, facts: Mapping[str, Any]) -> Any:
        """The value of an entry that is no array."""


class Plain:
    """A list of arrays, or a dict of names to arrays or torch tensors, sorted by name."""

    def entries(self, parameters: Any) -> tuple[str, Mapping[str, Any]]:
        """Raises TypeError for anything else."""
        if isinstance(parameters, Mapping):
            return "dict", {name: parameters[name] for name in sorted(parameters)}
        if isinstance(parameters, list | tuple):
            return "list", {f"parameter_{k}": entry for k, entry in enumerate(parameters)}
        raise TypeError("parameters must be a list of arrays, or a dict of names to arrays")

    def held(self, name: str, facts: Mapping[str, Any]) -> Any:
        """Nothing of this form stays with the agent or with the program."""
        raise AgentError("form", f"entry {name!r} has no values")
