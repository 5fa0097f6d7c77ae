"""The program in an app's process: it reads the app's file, and does what the agent's model is for.

All functions of the app are called in its main thread. It is begun by participant.app.process, and
ends with the agent, whatever becomes of that.
"""

import base64
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import quorate_client
from participant.app import calls
from participant.app.app import LoadedApp, load_app
from participant.app.bytecode import use_no_bytecode_of
from participant.app.errors_file import traceback_of
from participant.app.forked import end_workers
from participant.conversation import said_and_values
from participant.errors import BadApp
from participant.model import copy_of, named
from protocol.errors import WrongKind
from protocol.programs.processes import end_with_parent


@dataclass(frozen=True)
class Named:
    """What a function of the app returned as a model: its form, and its entries."""

    form: str
    entries: Mapping[str, Any]

    @classmethod
    def of(cls, parameters: object, function: str) -> "Named":
        """Raises BadApp if it is no model."""
        kind, entries = named(parameters, function)
        return cls("list" if kind == "list" else "dict", entries)


class OwnForm:
    """As quorate_client's, for every entry there is: what has no form of its own is kept here."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def entries(self, parameters: Named) -> tuple[str, Mapping[str, Any]]:
        """Each entry's values, or what is said in their place."""
        return parameters.form, {
            name: self._said(name, e) for name, e in parameters.entries.items()
        }

    def _said(self, name: str, entry: Any) -> quorate_client.Tensor | quorate_client.Held:
        facts, values = said_and_values(entry)
        if values is not None:
            return quorate_client.Tensor(values.code, values.shape, values.data, facts["tensor"])
        if facts["at"] == "app":
            self._kept[name] = copy_of(entry)
        return quorate_client.Held(facts)

    def held(self, name: str, facts: Mapping[str, Any]) -> Any:
        """A copy of what was kept, or the plain value that the agent has kept."""
        if facts["at"] == "value":
            return msgspec.msgpack.decode(base64.b64decode(facts["value"]))
        return copy_of(self._kept[name])


@dataclass(frozen=True)
class CheckedApp:
    """An app whose answers are checked here, where they are what the app has returned."""

    app: LoadedApp

    @property
    def local_entries(self) -> tuple[str, ...]:
        """Patterns of the entries that stay at this hospital."""
        return self.app.local_entries

    def initial_parameters(self, config: dict[str, Any]) -> Named:
        """Raises BadApp."""
        return Named.of(self.app.initial_parameters(config), "initial_parameters")

    def fit(self, parameters: Any, config: dict[str, Any]) -> tuple[Named, int, dict[str, Any]]:
        """Raises BadApp."""
        fitted, examples, metrics = calls.fit(self.app, parameters, config)
        return Named.of(fitted, "fit"), examples, metrics

    def evaluate(self, parameters: Any, config: dict[str, Any]) -> tuple[float, int, Any]:
        """Raises BadApp."""
        found = calls.evaluate(self.app, parameters, config)
        return found["loss"], found["examples"], found["metrics"]


def main() -> None:
    """Run the app of the file that is named, until the agent has no more for it."""
    end_with_parent()
    path = Path(sys.argv[1])
    with quorate_client.Agent.of_environment() as agent:
        agent.form = OwnForm()
        try:
            quorate_client.run(CheckedApp(load_app(path, None)), agent)
        except quorate_client.Closed:  # the agent needs it no more, or is gone
            pass
        except BadApp as error:
            _tell(agent, error)
        except (WrongKind, KeyboardInterrupt) as error:
            _tell(agent, BadApp(str(path), f"{type(error).__name__}: {error}"))
    end_workers()


def _tell(agent: quorate_client.Agent, error: BadApp) -> None:
    """Pass on what the app has done, and the traceback of what it raised."""
    details = "" if error.__cause__ is None else traceback_of(error.__cause__)
    with contextlib.suppress(quorate_client.Closed):
        agent.failed(error.function[:1_000], error.reason[:8_000], details)


# Workers that are begun by spawn or forkserver run this file as __mp_main__ first.
if __name__ in ("__main__", "__mp_main__") and len(sys.argv) > 1:
    use_no_bytecode_of(Path(sys.argv[1]))
if __name__ == "__main__":
    main()
