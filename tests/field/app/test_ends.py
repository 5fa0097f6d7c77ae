"""However an app's function ends, or a process that it forks, its hospital is told and goes on."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from participant.app.app import LoadedApp, load_app
from participant.cli.views.speaking import SpeakingGroup
from participant.cli.work.foreground import Foreground
from participant.errors import BadApp


class Panic(BaseException):
    """As libraries in Rust raise one."""


APP = """
    import asyncio, os, sys

    def initial_parameters(config):
        return []

    def evaluate(parameters, config):
        return 0.5, 5, {}

    class Panic(BaseException):
        pass

    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

"""
FORKS = """
    child = os.fork()
    if child == 0:
        END
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def with_fit(folder: Path, body: str, head: str = "def fit(parameters, config):") -> LoadedApp:
    path = folder / "ending_app.py"
    path.write_text(f"{dedent(APP)}\n{head}\n{body}\n")
    return load_app(path, folder / "errors")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        ("asyncio.CancelledError('inner')", "CancelledError: inner"),
        ("Panic('unwrap on None')", "Panic: unwrap on None"),
        ("GeneratorExit", "GeneratorExit"),
        ("SystemExit(3)", "SystemExit: 3"),
        ("Silent", "Silent: .it does not say what."),
    ],
)
def test_whatever_is_raised_is_the_apps_error(tmp_path: Path, raised: str, said: str) -> None:
    app = with_fit(tmp_path, f"    raise {raised}")
    with pytest.raises(BadApp, match=f"{said}.*ending_app.py:"):
        app.fit([], {})


def test_an_interruption_stays_one(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        with_fit(tmp_path, "    raise KeyboardInterrupt").fit([], {})


@pytest.mark.parametrize("head", ["def fit(parameters):", "def fit(*, parameters, config):"])
def test_a_function_that_cannot_be_called_is_told_by_the_apps_file(
    tmp_path: Path, head: str
) -> None:
    with pytest.raises(BadApp, match=r"TypeError: fit\(\) takes .*\(ending_app.py\)"):
        with_fit(tmp_path, "    return 1", head).fit([], {})


@pytest.mark.parametrize(
    ("end", "code"),
    [("sys.exit(0)", 0), ("sys.exit(7)", 7), ("sys.exit('why')", 1), ("return 1", 0),
     ("raise ValueError", 1), ("raise KeyboardInterrupt", 1), ("os._exit(4)", 4)],
)  # fmt: skip
def test_a_process_that_an_app_forks_never_goes_on_as_the_hospital(
    tmp_path: Path, end: str, code: int
) -> None:
    app = with_fit(tmp_path, FORKS.replace("END", end))
    process, found = os.getpid(), in_this_process(app)
    if os.getpid() != process:
        os._exit(99)  # else it would go on as this test
    assert found == code


def in_this_process(app: LoadedApp) -> Any:
    process = os.getpid()
    try:
        return app.fit([], {})
    except BaseException:
        if os.getpid() != process:
            os._exit(98)
        raise


@pytest.mark.parametrize(
    "raised", [SystemExit(0), asyncio.CancelledError(), GeneratorExit(), Panic("lazy")], ids=repr
)
def test_an_answer_that_ends_the_program_as_it_is_read_is_the_apps_error(
    raised: BaseException,
) -> None:
    """Or else training would end without a word, and with the code of success."""
    commands = typer.Typer(cls=SpeakingGroup, add_completion=False, pretty_exceptions_enable=False)
    commands.callback()(lambda: None)

    @commands.command()
    def train() -> None:
        raise raised

    result = CliRunner().invoke(commands, ["train"])
    assert result.exit_code == 1
    assert type(raised).__name__ in result.stderr
    assert "the app failed" in result.stderr
    assert "internal error" not in result.stderr


def test_a_step_that_ends_by_stop_iteration_ends() -> None:
    steps = Foreground()

    def step() -> None:
        raise StopIteration

    async def course() -> None:
        async with asyncio.timeout(5):
            await steps.do(step)

    with pytest.raises(RuntimeError, match="StopIteration"):
        steps.run(course)


def test_no_file_takes_the_number_of_a_stream_that_an_app_has_closed(tmp_path: Path) -> None:
    """What is printed would be written into it: a file of the hospital's, or its connection."""
    code = f"""
        import os
        from pathlib import Path
        from participant.app.app import load_app
        app = load_app(Path({str(tmp_path / "closing.py")!r}), Path({str(tmp_path)!r}))
        app.fit([], {{}})
        for _ in range(3):
            os.open({str(tmp_path / "kept")!r}, os.O_RDWR | os.O_CREAT)
        print("a line for people", flush=True)
    """
    fit = "import os\ndef fit(p, c):\n    os.closerange(0, 3)\n"
    rest = "def evaluate(p, c): pass\ndef initial_parameters(c): pass\n"
    (tmp_path / "closing.py").write_text(fit + rest)
    run = subprocess.run([sys.executable, "-c", dedent(code)], check=False, timeout=60)
    assert run.returncode == 0
    assert (tmp_path / "kept").read_bytes() == b""


def test_a_signal_also_ends_what_a_command_does_after_something_else() -> None:
    steps = Foreground()

    async def first() -> None: ...

    async def second() -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await asyncio.sleep(60)

    steps.run(first)
    with pytest.raises(asyncio.CancelledError):
        steps.run(lambda: asyncio.wait_for(second(), 10))
    assert steps.caught == signal.SIGINT


def test_a_signal_that_the_system_gives_to_another_thread_is_heard() -> None:
    """Where several come at once, as when a process is stopped, continued and ended."""
    steps = Foreground()

    async def course() -> None:
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
        await asyncio.sleep(60)

    with pytest.raises(asyncio.CancelledError):
        steps.run(lambda: asyncio.wait_for(course(), 10))
    assert steps.caught == signal.SIGTERM
