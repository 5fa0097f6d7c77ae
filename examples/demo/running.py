"""The demo's processes that stay: the aggregator, and each hospital's agent."""

import contextlib
import subprocess
from collections.abc import Callable, Collection
from typing import Self

from examples.demo.consortium import Consortium
from examples.demo.processes import DemoFailed, Hospital, stop, wait_for


class Running:
    """An aggregator and the hospitals' agents; all end when the block does."""

    def __init__(self, consortium: Consortium) -> None:
        self.consortium = consortium
        self._agents: dict[int, subprocess.Popen[str]] = {}  # by the hospital's number
        self._aggregator = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """The aggregator runs from the beginning of the block."""
        self.run_aggregator()
        return self

    def __exit__(self, *exception: object) -> None:
        stop(*self._agents.values())
        self._aggregator.close()

    def run_aggregator(self, module: str = "aggregator") -> None:
        """An aggregator in place of the one that runs, where its newest card says it is."""
        self._aggregator.close()
        self._aggregator.enter_context(self.consortium.serving(module))

    def start(self, hospital: Hospital, interrupt: str = "") -> None:
        """Start a hospital's agent; the first one is shown, the others write to their logs.

        interrupt: where the app is to wait to be stopped.
        """
        consortium = self.consortium
        log = consortium.log_of(hospital) if hospital.number > 1 else None
        studies = (consortium.tumours, consortium.digits)
        number = hospital.number  # who joins later has no file
        given = {s.variable: str(s.files[number - 1]) for s in studies if number <= len(s.files)}
        given |= {"INTERRUPT": interrupt}
        names = [part for name in given for part in ("--app-env", name)]
        self._agents[hospital.number] = hospital.start(
            "serve", str(consortium.terms_file), *names, log=log, **given
        )

    def stop(self, hospitals: Collection[Hospital]) -> None:
        """End agents gently; raises DemoFailed where one does not end well."""
        agents = [self._agents.pop(hospital.number) for hospital in hospitals]
        stop(*agents)
        if codes := {agent.returncode for agent in agents} - {0}:
            raise DemoFailed(f"agents ended with exit codes {codes}")

    def kill(self, hospital: Hospital) -> None:
        """End an agent as a power cut does."""
        agent = self._agents.pop(hospital.number)
        agent.kill()
        agent.wait()

    def wait_for(
        self, what: str, condition: Callable[[], bool], seconds: float, pause: float = 0.05
    ) -> None:
        """Wait until something is so; raises DemoFailed when it is late or an agent has ended."""
        wait_for(what, condition, list(self._agents.values()), seconds, pause)
