"""An app may not administer: the agent that runs it does not speak with it at its door."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from participant.home.folders import federation_folder
from protocol.messages import Training
from tests.stage.consortium import Consortium, with_key

ROOT = Path(__file__).parents[3]
APP = Path(__file__).with_name("app_at_the_door.py")
SERVE = "from participant.__main__ import main; main()"
# The check away, as a control: the app is answered.
CARELESS = "import participant.door.server as door; door.is_of_app = lambda line: False; " + SERVE
# Nobody looks after what an app has left behind, as another control.
FORGETFUL = "import participant.cli.commands.serve as serve; serve.keep_descendants = int; " + SERVE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux's prctl and /proc")


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Hospitals with a key, H1 of which has approved to train with the app."""
    made = with_key(tmp_path_factory.mktemp("door"))
    (made.folder / "h1").chmod(0o700)
    with made.relay.running():
        made.planned("knocking", Training(1, 8.0, 24, 1_000))
        made.typed(1, "study", "propose", "knocking.toml")
        made.typed(1, "study", "approve", "knocking", "--yes", "--unpinned", "--app", str(APP))
        yield made


@contextmanager
def serving(consortium: Consortium, code: str, findings: Path) -> Iterator[None]:
    """H1's agent, which begins with the app at once."""
    door = federation_folder(consortium.folder / "h1", consortium.terms.federation) / "agent.sock"
    given = {"DOOR": str(door), "FINDINGS": str(findings / "any")}
    names = [part for name, value in given.items() for part in ("--app-env", f"{name}={value}")]
    around = os.environ | consortium.environment(1) | {"PYTHONPATH": str(ROOT)}
    agent = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "federation.toml", *names],
        cwd=consortium.folder, env=around, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        agent.terminate()
        agent.wait(timeout=60)


def written(path: Path) -> str:
    end = time.monotonic() + 60
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end
        time.sleep(0.05)
    return path.read_text()


@pytest.mark.parametrize(
    ("code", "own", "left"),
    [
        (SERVE, "Denied", "Denied"),
        (CARELESS, "Greeted", "Greeted"),
        (FORGETFUL, "Denied", "Greeted"),
    ],
    ids=["as it is", "without the check", "without descendants"],
)
def test_no_process_of_an_app_is_heard_at_the_door(
    consortium: Consortium, tmp_path: Path, code: str, own: str, left: str
) -> None:
    with serving(consortium, code, tmp_path):
        assert written(tmp_path / "own") == own
        process, said = json.loads(written(tmp_path / "left"))
        assert said == left
        end = time.monotonic() + 30
        while os.path.exists(f"/proc/{process}"):  # the agent lets go of what has ended
            assert time.monotonic() < end
            time.sleep(0.05)
