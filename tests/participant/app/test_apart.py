"""An app in a process of its own works as in the caller's, and has nothing of the caller's."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from participant.app.apart import AppApart
from participant.app.process import CONNECTION, AppFile, environment_for
from participant.errors import BadApp, MissingFile, NoAppUser
from participant.model.entry import Elsewhere
from protocol.errors import WrongKind

CONFIG = {"round": 0, "seed": 1}
ROOT = Path(__file__).parents[3]
REST = """
    import os, sys, time
    import numpy as np

    def initial_parameters(config):
        return [np.zeros(2)]

    def evaluate(parameters, config):
        return 0.5, 1, {}

"""
Make = Callable[..., AppApart]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Make]:
    """Makes apps of a text; the rest of an app stands before it."""
    made: list[AppApart] = []

    def make(code: str, printed: list[Any] | None = None, name: str = "own_app.py") -> AppApart:
        path = tmp_path / name
        path.write_text(dedent(REST) + dedent(code))
        show = lambda line, is_error: None if printed is None else printed.append(line)  # noqa: E731
        made.append(AppApart(AppFile(path), tmp_path / "errors", {"rounds": 1}, show))
        return made[-1]

    yield make
    for app in made:
        app.close()


def fitted(app: AppApart, number: int = 1) -> Any:
    app.start()
    return app.fit(app.initial_parameters(CONFIG), {"round": number, "seed": 1})


def is_running(pid: int) -> bool:
    """Whether it runs; one that has ended and is not waited for by its new parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pid: int) -> bool:
    """Whether it ends soon."""
    deadline = time.monotonic() + 20
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


KEEPS = """
    import threading

    local_entries = ["own"]

    class Own:
        count = 0

    def initial_parameters(config):
        print("seed", config["seed"])
        return {"w": np.zeros(2), "n": np.array(3), "own": Own(), "note": "text"}

    def fit(parameters, config):
        sys.stderr.write("fits\\n")
        parameters["own"].count += 1
        parameters["w"] += 1
        assert threading.current_thread() is threading.main_thread()
        return parameters, np.int64(10), {"count": parameters["own"].count, "x": np.float32(0.5)}
"""


def test_what_has_no_form_of_its_own_stays_with_the_app_from_round_to_round(apart: Make) -> None:
    printed: list[Any] = []
    app = apart(KEEPS, printed)
    parameters, examples, metrics = fitted(app)
    assert app.local_entries == ("own",)
    assert isinstance(parameters["own"], Elsewhere)
    assert parameters["n"] == 3
    assert parameters["note"] == "text"
    assert np.array_equal(parameters["w"], [1, 1])
    assert (examples, metrics) == (10, {"count": 1, "x": 0.5})
    _, _, metrics = app.fit(parameters, {"round": 2, "seed": 1})
    assert metrics["count"] == 2
    assert app.evaluate(parameters, {"round": 2, "seed": 1}) == (0.5, 1, {})
    app.close()
    assert sorted(printed) == ["fits", "fits", "seed 1"]


def test_a_model_that_begins_again_begins_in_a_new_process(apart: Make) -> None:
    app = apart("def fit(p, c): return p, 1, {'pid': os.getpid()}")
    _, _, first = fitted(app)
    _, _, second = app.fit(app.initial_parameters(CONFIG), {"round": 1, "seed": 1})
    assert first != second
    assert gone(first["pid"])


@pytest.mark.parametrize(
    ("code", "function", "why"),
    [
        ("raise ValueError('no data')", "fit", "ValueError: no data (own_app.py:"),
        ("raise SystemExit(3)", "fit", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "own_app.py", "KeyboardInterrupt"),
        ("return 3", "fit", "it must return (parameters, num_examples, metrics)"),
        ("return 3, 1, {}", "fit", "a dict of names to torch tensors"),
        ("return p, 'ten', {}", "fit", "num_examples is of type str"),
        ("os._exit(7)", "fit", "the process of own_app.py has ended by itself, with code 7"),
        ("os.kill(os.getpid(), 9)", "fit", "was ended by SIGKILL, as a system does that has no"),
        ("os.kill(os.getpid(), 11)", "fit", "the process of own_app.py was ended by SIGSEGV"),
        ("os.closerange(3, 256)", "fit", "the process of own_app.py"),
    ],
)
def test_however_a_function_ends_the_hospital_is_told(
    apart: Make, code: str, function: str, why: str
) -> None:
    app = apart(f"def fit(p, c):\n        {code}")
    with pytest.raises(BadApp) as caught:
        fitted(app)
    assert caught.value.function.endswith(function)
    assert why in caught.value.reason


def test_a_traceback_is_kept_at_the_hospital(apart: Make, tmp_path: Path) -> None:
    with pytest.raises(BadApp, match="details in") as caught:
        fitted(apart("def fit(p, c): return p[5]"))
    (kept,) = (tmp_path / "errors").iterdir()
    assert str(kept) in caught.value.reason
    assert "IndexError" in kept.read_text()


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (own_app.py:"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("", "it has no function fit(parameters, config)"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("os._exit(0)", "has ended by itself, with code 0"),
    ],
)
def test_a_file_that_does_not_load_is_told_by_its_name(apart: Make, code: str, why: str) -> None:
    with pytest.raises(BadApp) as caught:
        apart(code).start()
    assert caught.value.function.endswith("own_app.py")
    assert why in caught.value.reason


def test_what_is_no_file_of_python_begins_no_process(tmp_path: Path) -> None:
    def start(path: Path) -> None:
        AppApart(AppFile(path), tmp_path / "errors", {}, lambda line, is_error: None).start()

    with pytest.raises(MissingFile):
        start(tmp_path / "nowhere.py")
    with pytest.raises(WrongKind):
        start(tmp_path)
    (tmp_path / "app.txt").write_text("")
    with pytest.raises(BadApp, match="not a Python file"):
        start(tmp_path / "app.txt")


# ── what the process has ──

SEES = """
    import json, resource

    def fit(p, c):
        found = {
            "environment": dict(os.environ), "pid": os.getpid(), "session": os.getsid(0),
            "stdin": sys.stdin.read(), "argv": sys.argv, "path": sys.path,
            "files": [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                      if os.path.exists(f"/proc/self/fd/{n}")],
        }
        return p, 1, {"found": json.dumps(found)}
"""


def test_it_inherits_one_connection_and_what_is_listed_of_the_environment(
    apart: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUORATE_PASSPHRASE", "correct horse")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    with (tmp_path / "vault").open("w") as secret, (tmp_path / "lock").open("w") as inherited:
        os.set_inheritable(inherited.fileno(), True)
        _, _, metrics = fitted(apart(SEES))
        assert not secret.closed
    found = json.loads(metrics["found"])
    around = found["environment"]
    assert "correct horse" not in str(found)
    assert not {"QUORATE_PASSPHRASE", "SSH_AUTH_SOCK", CONNECTION} & around.keys()
    assert around["PATH"] == os.environ["PATH"]
    assert found["session"] == found["pid"]
    assert found["stdin"] == ""
    assert not [name for name in found["files"] if str(tmp_path) in name]
    assert len([name for name in found["files"] if name.startswith("socket:")]) == 1
    assert str(Path.cwd()) not in found["path"]


def test_the_environment_has_what_is_listed_and_what_is_asked_for() -> None:
    around = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "QUORATE_HOME": "h",
        "PATIENTS": "p",
        "LD_PRELOAD": "x",
    }
    found = environment_for(AppFile(Path("app.py"), {"PATIENTS": "q"}), None, around)
    assert found == {"PATH": "/bin", "LC_ALL": "C", "PYTHONUNBUFFERED": "1", "PATIENTS": "q"}


def test_a_user_who_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("")
    file = AppFile(tmp_path / "app.py", user="no-such-user")
    with pytest.raises(NoAppUser, match="no such user"):
        AppApart(file, tmp_path, {}, lambda line, is_error: None).start()


# ── how it ends ──

SLEEPS = """
    import multiprocessing, signal

    def fit(p, c):
        if c["round"] == 2:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
        worker.start()
        print(os.getpid(), worker.pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("number", [1, 2])
def test_a_fit_that_is_given_up_ends_with_its_workers(
    apart: Make, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In round 2 it does not listen to a signal that asks."""
    monkeypatch.setattr("participant.app.process._GRACE_SECONDS", 0.3)
    printed: list[Any] = []

    class Enough(Exception):
        pass

    def give_up(line: str) -> None:
        printed.extend(map(int, line.split()))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def hear(*_: object) -> None:
        raise Enough

    app = apart(SLEEPS)
    app._show = lambda line, is_error: give_up(line)
    before = signal.signal(signal.SIGUSR1, hear)
    try:
        with pytest.raises(Enough):
            fitted(app, number)
    finally:
        signal.signal(signal.SIGUSR1, before)
    app.close()
    assert len(printed) == 2
    assert all(map(gone, printed))


POOL = """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    def fit(p, c):
        global kept
        kept = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork"))
        print(*set(kept.map(pid, range(8))), os.getpid())
        return p, 1, {}

    def pid(_):
        return os.getpid()
"""


def test_no_worker_that_an_app_has_kept_outlives_it(apart: Make) -> None:
    printed: list[str] = []
    app = apart(POOL, printed)
    fitted(app)
    app.close()
    pids = [int(pid) for pid in printed[0].split()]
    assert len(pids) > 1
    assert all(map(gone, pids))


PARENT = """
import os, sys, time
from pathlib import Path
from participant.app import AppApart, AppFile

app = AppApart(AppFile(Path(sys.argv[1])), Path("."), {}, lambda line, _: print(line, flush=True))
app.start()
app.fit(app.initial_parameters({"round": 0, "seed": 1}), {"round": 1, "seed": 1})
"""


def test_it_does_not_outlive_an_agent_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "own_app.py"
    path.write_text(dedent(REST) + dedent(SLEEPS).replace("worker.start()", "worker.start();"))
    command = [sys.executable, "-c", PARENT, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        pid, worker = map(int, parent.stdout.readline().split())
        parent.kill()
        assert gone(pid)
        os.kill(worker, signal.SIGKILL)


LOADS = """
    import torch
    from torch.utils.data import DataLoader, Dataset

    class Rows(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, k):
            return torch.full((2,), float(k)), os.getpid()

    def initial_parameters(config):
        return {"w": torch.zeros(2, dtype=torch.bfloat16), "n": torch.tensor(0)}

    def fit(parameters, config):
        loader = DataLoader(Rows(), 4, num_workers=2, multiprocessing_context="spawn")
        batches = list(loader)
        workers = {int(pid) for _, pids in batches for pid in pids}
        parameters["w"] += torch.cat([rows for rows, _ in batches]).mean(0)
        return parameters, 8, {"apart": os.getpid() not in workers, "workers": len(workers)}
"""


@pytest.mark.slow
def test_a_data_loader_has_workers_by_spawn(apart: Make) -> None:
    import torch

    parameters, _, metrics = fitted(apart(LOADS, name="loading_app.py"))
    assert metrics == {"apart": True, "workers": 2}
    assert torch.equal(parameters["w"], torch.full((2,), 3.5, dtype=torch.bfloat16))


@pytest.mark.slow
def test_a_package_is_run_by_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(dedent(REST) + "from own_package.rest import fit\n")
    (folder / "rest.py").write_text("def fit(p, c): return p, 4, {}\n")
    app = AppApart(AppFile(folder), tmp_path / "errors", {}, lambda line, is_error: None)
    try:
        assert fitted(app)[1] == 4
    finally:
        app.close()
