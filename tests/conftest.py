"""What holds for every test."""

import gc
import logging
import math
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

from aggregator.rounds import summing
from keyshare.hybrid import lattice
from participant.app import module as app_module
from tests.stage.desk import Desk
from tests.stage.programs.remembered import REMEMBERED

# What is imported until the first test stays: it is searched for garbage neither now nor later.
gc.disable()

# A busy machine is slow, not wrong: no deadline for an example, nor for a tick of the aggregator.
settings.register_profile("quorate", deadline=None)
settings.load_profile("quorate")
summing._TICK_SECONDS = math.inf

IMPORTS_TORCH = re.compile(r"^(import|from) (safetensors\.)?torch\b", re.MULTILINE)

# The processes of apps find quorate_client where the tests find it, whatever is installed.
_FOUND = [str(Path(__file__).parents[1] / "integrations"), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _FOUND))

LONGEST = (
    "test_federation.py", "test_studies.py", "test_trainings.py", "test_successions.py",
    "test_malice.py",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_log_of_an_earlier_service() -> Iterator[None]:
    """One that ran in this process logged to a stream of its test, which is closed by now."""
    yield
    root = logging.getLogger()
    root.handlers[:] = [h for h in root.handlers if type(h) is not logging.StreamHandler]


@pytest.fixture(autouse=True)
def _computed_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one program of a test has verified, no other does; the simulator chooses by itself."""
    if "simulator" not in request.path.parts:
        for module, name, remembered in REMEMBERED:
            monkeypatch.setattr(module, name, remembered)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, or one worker would end alone with them."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    """All is imported."""
    gc.freeze()
    gc.enable()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what needs PyTorch where there is none, as for a new Python (.ci/run)."""
    is_module = collection_path.suffix == ".py" and not find_spec("torch")
    return (is_module and bool(IMPORTS_TORCH.search(collection_path.read_text()))) or None


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of 20,000 weights have three chunks."""
    monkeypatch.setattr(lattice, "CHUNK_COEFFICIENTS", 4_096)


@pytest.fixture
def no_proxy_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy is set for this machine."""
    for name in ("wss_proxy", "https_proxy", "socks_proxy", "all_proxy", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def path_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What tests add to the path of modules is gone after each of them."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for module in list(app_module._loaded):
        app_module._let_go_of_others(module.__name__)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An aggregator of a toy federation, without a network."""
    desk = Desk(tmp_path)
    yield desk
    desk.service.close()
