"""A file with an app, as people write one: what is taken of it, or what is told of it."""

from pathlib import Path

import pytest

from participant.app.app import LoadedApp, load_app
from participant.errors import BadApp

FUNCTIONS = """
def initial_parameters(config): return "of the file"
def fit(parameters, config): return [], 1, {}
def evaluate(parameters, config): return 0.5, 1, {}
"""
CLASS = """
class Client:
    def initial_parameters(self, config): return "of the object"
    def fit(self, parameters, config): return [], 1, {}
    def evaluate(self, parameters, config): return 0.5, 1, {}
"""


def loaded(folder: Path, text: str, name: str = "written_app") -> LoadedApp:
    path = folder / f"{name}.py"
    path.write_text(text)
    return load_app(path, folder / "errors")


@pytest.mark.parametrize(
    ("text", "whose"),
    [
        (FUNCTIONS, "of the file"),
        (CLASS + "app = Client()\n", "of the object"),
        (FUNCTIONS + "app = object()  # of the command line, say\n", "of the file"),
        (FUNCTIONS + CLASS + "app = Client()\n", "of the object"),
    ],
)
def test_an_object_called_app_counts_if_it_has_the_functions(
    tmp_path: Path, text: str, whose: str
) -> None:
    assert loaded(tmp_path, text).initial_parameters({}) == whose


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def fit(parameters, config): ...\n", "it has no function initial_parameters"),
        (CLASS + "app = Client\n", r"its app is a class: write app = Client\(\)"),
        ("class ClientApp: ...\napp = ClientApp()\n",
         r"no function initial_parameters\(config\), and neither has its app, of type ClientApp"),
    ],
)  # fmt: skip
def test_what_an_app_lacks_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(BadApp, match=told):
        loaded(tmp_path, text)


@pytest.mark.parametrize("where", ["", "Client."])
def test_local_entries_may_stand_in_the_file_or_in_the_object(tmp_path: Path, where: str) -> None:
    text = f"{CLASS}{where}local_entries = ['*.running_mean']\napp = Client()\n"
    assert loaded(tmp_path, text).local_entries == ("*.running_mean",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_a_file_of_another_encoding_is_read_or_its_encoding_is_told(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "encoded_app.py"
    path.write_bytes(f"# größer\r\n{FUNCTIONS}".encode(encoding))
    if encoding == "utf-8-sig":
        assert load_app(path, tmp_path / "errors").initial_parameters({}) == "of the file"
        return
    told = "it is UTF-16, which Python does not read: save it as UTF-8|null bytes"
    with pytest.raises(BadApp, match=told):
        load_app(path, tmp_path / "errors")


def test_an_app_that_changes_the_current_folder_is_found_in_its_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("moving_app.py").write_text(
        f"import os\nos.chdir('/')\n{FUNCTIONS.replace('[]', '1 / 0')}"
    )
    app = load_app(Path("moving_app.py"), tmp_path / "errors")
    with pytest.raises(BadApp, match=r"ZeroDivisionError: division by zero \(moving_app.py:5\)"):
        app.fit([], {})
