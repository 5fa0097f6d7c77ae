"""The user's file: what it must have, and what its errors become."""

from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from participant.app.app import load_app
from participant.errors import BadApp, MissingFile

FUNCTIONS = """
    import numpy as np

    def initial_parameters(config):
        return [np.zeros(3)]

    def fit(parameters, config):
        return [p + config["round"] for p in parameters], 5, {}

    def evaluate(parameters, config):
        return 0.0, 5, {}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "my_hospital.py"
    path.write_text(dedent(text))
    return path


def test_functions_of_a_file_are_the_app(tmp_path: Path) -> None:
    app = load_app(write(tmp_path, FUNCTIONS), tmp_path / "errors")
    start = app.initial_parameters({"round": 0})
    (fitted,), examples, _ = app.fit(start, {"round": 2})
    assert np.array_equal(fitted, [2.0, 2.0, 2.0])
    assert examples == 5


def test_an_object_called_app_is_the_app(tmp_path: Path) -> None:
    text = """
        class Hospital:
            def initial_parameters(self, config): return [1]
            def fit(self, parameters, config): return parameters, 7, {}
            def evaluate(self, parameters, config): return 0.5, 7, {}

        app = Hospital()
    """
    app = load_app(write(tmp_path, text), tmp_path / "errors")
    assert app.fit([], {})[1] == 7
    assert app.evaluate([], {})[0] == 0.5


def test_entries_that_stay_at_home_are_named_beside_the_functions(tmp_path: Path) -> None:
    assert load_app(write(tmp_path, FUNCTIONS), tmp_path / "errors").local_entries == ()
    text = dedent(FUNCTIONS) + 'local_entries = ["*.running_mean"]\n'
    app = load_app(write(tmp_path, text), tmp_path / "errors")
    assert app.local_entries == ("*.running_mean",)


@pytest.mark.parametrize("value", ['"*.running_mean"', "[1]", "None"])
def test_what_is_no_list_of_patterns_is_refused(tmp_path: Path, value: str) -> None:
    text = dedent(FUNCTIONS) + f"local_entries = {value}\n"
    with pytest.raises(BadApp, match="local_entries is not a list of patterns"):
        load_app(write(tmp_path, text), tmp_path / "errors")


def test_a_file_can_import_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_my_hospital.py").write_text("EXAMPLES = 11\n")
    text = dedent(FUNCTIONS).replace(", 5, {}", ", EXAMPLES, {}")
    path = write(tmp_path, "from neighbour_of_my_hospital import EXAMPLES\n" + text)
    assert load_app(path, tmp_path / "errors").fit([], {"round": 1})[1] == 11


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile) as caught:
        load_app(tmp_path / "none.py", tmp_path)
    assert caught.value.path == tmp_path / "none.py"


@pytest.mark.parametrize("function", ["initial_parameters", "fit", "evaluate"])
def test_a_missing_function_is_named(tmp_path: Path, function: str) -> None:
    path = write(tmp_path, FUNCTIONS.replace(f"def {function}", "def other"))
    with pytest.raises(BadApp, match=f"no function {function}"):
        load_app(path, tmp_path / "errors")


def test_a_syntax_error_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(BadApp, match=r"SyntaxError.*my_hospital\.py:2"):
        load_app(write(tmp_path, "x = 1\ndef broken(:\n"), tmp_path / "errors")


def test_an_error_in_fit_is_told_with_type_message_line_and_a_traceback_file(
    tmp_path: Path,
) -> None:
    text = FUNCTIONS.replace(
        'return [p + config["round"] for p in parameters], 5, {}', 'return int("many patients")'
    )
    app = load_app(write(tmp_path, text), tmp_path / "errors")
    with pytest.raises(BadApp) as caught:
        app.fit([], {"round": 1})
    assert caught.value.function == "fit"
    assert "ValueError" in caught.value.reason
    assert "my_hospital.py:8" in caught.value.reason
    (details,) = (tmp_path / "errors").iterdir()
    assert str(details) in caught.value.reason
    assert "Traceback" in details.read_text()


def test_the_line_is_the_users_own_even_if_the_error_is_deeper(tmp_path: Path) -> None:
    text = FUNCTIONS.replace("return [np.zeros(3)]", "return np.zeros((2, 3)).reshape(7)")
    with pytest.raises(BadApp, match=r"my_hospital\.py:5"):
        load_app(write(tmp_path, text), tmp_path / "errors").initial_parameters({})


def test_an_app_that_exits_does_not_end_the_process(tmp_path: Path) -> None:
    with pytest.raises(BadApp, match="SystemExit"):
        load_app(write(tmp_path, "import sys\nsys.exit(0)\n"), tmp_path / "errors")
