"""What an app finds of its hospital's secrets: as the same user of the machine, and as another.

As root, this process takes its capabilities away from the hospital: with them root reads whatever
it likes, and no process is hidden from it.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.encoding import encode
from protocol.messages import Training
from tests.stage.consortium import Consortium, with_key
from tests.stage.toy_home import PASSPHRASE

ROOT = Path(__file__).parents[3]
APP = Path(__file__).with_name("attacking_app.py")
WITHOUT_CAPABILITIES = """
import ctypes, os, sys
for number in range(64):
    ctypes.CDLL(None).prctl(24, number, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
AS_ANOTHERS = (
    "import sys; sys.executable = sys.argv.pop(1); from participant.__main__ import main; main()"
)
OTHER, STUDY = "nobody", "attacked"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of Linux's /proc")


@pytest.fixture(scope="module")
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """Hospitals with key shares and an approved study, which trains; the aggregator runs.

    H1's home is for its user alone, and so is a file with its passphrase.
    """
    made = with_key(tmp_path_factory.mktemp("attacked"))
    (made.folder / "passphrase").touch(0o600)
    (made.folder / "passphrase").write_text(PASSPHRASE.text)
    (made.folder / "h1").chmod(0o700)
    with made.relay.running():
        made.hold_study(STUDY, Training(1, 8.0, 24, 1_000))
        yield made


def train(consortium: Consortium) -> list[str]:
    """The command of H1, but for the app."""
    home = str(consortium.folder / "h1")
    return ["train", str(consortium.file), "--home", home, "--study", STUDY]


def attacked(
    consortium: Consortium, findings: Path, code: list[str], *options: str
) -> tuple[Any, str]:
    """What the app found, and what the hospital said in the end."""
    about = {
        "FINDINGS": findings, "HOSPITAL_HOME": consortium.folder / "h1",
        "PASSPHRASE_FILE": consortium.folder / "passphrase",
    }  # fmt: skip
    words = [part for name, value in about.items() for part in ("--app-env", f"{name}={value}")]
    command = train(consortium)
    done = subprocess.run(
        [sys.executable, *code, *command, "--app", str(APP.parent / APP.name), *words, *options],
        env=os.environ | {"QUORATE_PASSPHRASE": PASSPHRASE.text},
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert findings.exists(), done.stderr
    return json.loads(findings.read_text()), done.stderr


STOPPED = (
    "memory", "memory by address", "environment", "descriptors", "a descriptor", "its files",
    "trace", "core",
)  # fmt: skip
ONLY_BY_ANOTHER_USER = (
    "end the agent", "sealed key share", "journal", "passphrase file", "change the home",
)  # fmt: skip


def test_an_app_of_the_same_user_reads_files_and_no_secret_in_memory(
    consortium: Consortium, tmp_path: Path
) -> None:
    code = ["-m", "participant"]
    if os.geteuid() == 0:
        code = ["-c", WITHOUT_CAPABILITIES, *code]
    found, said = attacked(consortium, tmp_path / "findings", code)
    assert found["uid"] == os.getuid()
    assert {name for name in STOPPED if "got" in found[name]} == set()
    assert {name for name in ONLY_BY_ANOTHER_USER if "refused" in found[name]} == set()
    _check_own(found, tmp_path / "findings.memory", consortium)
    assert "the process of attacking_app.py does not answer: it sent what is no message" in said
    assert "approve" in said


def _check_own(found: Any, memory: Path, consortium: Consortium) -> None:
    """What the app's own process has holds nothing of the hospital's."""
    around, files = found["own environment"]["got"], found["own descriptors"]["got"]
    assert not [name for name in around if name.startswith("QUORATE_")]
    assert len([file for file in files if file.startswith("socket:")]) == 1
    assert not [file for file in files if str(consortium.folder) in file]
    assert PASSPHRASE.text not in found["command line"]["got"]
    held = memory.read_bytes()
    assert len(held) > 1 << 20
    share = encode(consortium.member(1).held_key().secret)
    assert share not in held
    # The app has read the passphrase file, and so has it here; what the agent was given is not.
    assert f"QUORATE_PASSPHRASE={PASSPHRASE.text}".encode() not in held


def interpreter_for(user: pwd.struct_passwd, around: dict[str, str]) -> str | None:
    """A Python that another user can run with the modules of this one."""
    for python in filter(None, (sys.executable, shutil.which("python3", path="/usr/bin"))):
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        try:
            tried = subprocess.run(
                [python, "-P", "-c", "import participant.app.child"],
                env=around, capture_output=True, check=False, timeout=60, **as_user,
            )  # type: ignore[call-overload]  # fmt: skip
        except PermissionError:
            continue
        if not tried.returncode:
            return python
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give an app to another user")
def test_an_app_of_another_user_reads_no_file_either(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = next(path for path in sys.path if path.endswith("site-packages"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "integrations"), site]))
    user = pwd.getpwnam(OTHER)
    python = interpreter_for(user, dict(os.environ))
    if python is None:
        pytest.skip(f"{OTHER} can run no Python here that has the modules of this one")
    shared = Path(tempfile.mkdtemp(prefix="quorate-findings-"))  # where that user may write
    try:
        shutil.chown(shared, user.pw_uid, user.pw_gid)
        shutil.copy(APP, shared / APP.name)
        monkeypatch.setattr(sys.modules[__name__], "APP", shared / APP.name)
        code = ["-c", AS_ANOTHERS, python]
        found, _ = attacked(consortium, shared / "findings", code, "--app-user", OTHER)
        assert found["uid"] == user.pw_uid
        for name in STOPPED + ONLY_BY_ANOTHER_USER:
            assert "refused" in found[name], name
        _check_own(found, shared / "findings.memory", consortium)
        assert PASSPHRASE.text.encode() not in (shared / "findings.memory").read_bytes()
    finally:
        shutil.rmtree(shared)


def test_without_root_an_app_is_given_to_nobody(consortium: Consortium) -> None:
    code = ["-m", "participant"]
    if os.geteuid() == 0:
        code = ["-c", WITHOUT_CAPABILITIES, *code]
    command = train(consortium)
    done = subprocess.run(
        [sys.executable, *code, *command, "--app", str(APP), "--app-user", OTHER],
        env=os.environ | {"QUORATE_PASSPHRASE": PASSPHRASE.text},
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "the app cannot run as nobody: this process may not become it" in done.stderr
    assert "root or CAP_SETUID" in done.stderr


def test_no_core_is_written() -> None:
    code = (
        "import resource; from protocol.programs.processes import hide_memory; hide_memory();"
        "print(resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0)\n"
