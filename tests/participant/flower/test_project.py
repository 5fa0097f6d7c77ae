"""What a Flower app's pyproject.toml says, and what is said of one that does not."""

import sys
from pathlib import Path

import pytest

from participant.app.app import load_app
from participant.app.module import place_of
from participant.app.pin import hash_of_app
from participant.errors import BadApp
from participant.flower import is_project, node_config_in, project_in, read_project, versions
from participant.flower.versions import check_flower
from protocol.errors import Malformed, WrongKind
from tests.participant.flower.folders import flower_app

COMPONENTS = """
[tool.flwr.app.components]
serverapp = "lungs.server_app:app"
clientapp = "lungs.client_app:app"
"""


def test_components_and_config_are_read_and_nested_settings_joined() -> None:
    settings = "[tool.flwr.app.config]\nrounds = 3\n[tool.flwr.app.config.sgd]\nlr = 0.1"
    found = project_in(f"{COMPONENTS}{settings}".encode())
    assert found.serverapp == "lungs.server_app:app"
    assert found.clientapp == "lungs.client_app:app"
    assert found.config == {"rounds": 3, "sgd.lr": 0.1}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", r"no serverapp in \[tool.flwr.app.components\]"),
        ("[tool.flwr]\napp = 3", "app is not a table"),
        ('[tool.flwr.app.components]\nserverapp = "a:b"', "no clientapp"),
        (COMPONENTS.replace("server_app:app", "server_app"), "not module:object"),
        (COMPONENTS.replace('"lungs.server_app:app"', "3"), "not module:object"),
        (COMPONENTS.replace("lungs.server_app:app", "os;exit():app"), "not module:object"),
        (COMPONENTS.replace("lungs.server_app", "lungs.__pycache__.server_app"), "hash leaves out"),
        (f"{COMPONENTS}[tool.flwr.app.config]\nlayers = [1]", "layers is no number"),
        ("[", "it is no TOML"),
        ("\ud800", "it is no TOML"),
        (f"x = {'[' * 3_000}", "it is no TOML"),
        ("#" * (1 << 18), "more than 262144 bytes"),
        (f"{'a.' * 501}a = 1", "more than 500 dots"),
        (
            f"{COMPONENTS}[tool.flwr.app.config{'.a' * 490}]\n{'a.' * 499}a = 1",
            "tables within tables",
        ),
    ],
)
def test_what_is_wrong_in_a_pyproject_is_said(text: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        project_in(text.encode(errors="surrogatepass") + b"\n")


def test_a_folder_whose_pyproject_names_no_components_is_refused_with_the_files_name(
    tmp_path: Path,
) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'lungs'\n")
    with pytest.raises(BadApp, match="no serverapp") as caught:
        place_of(tmp_path)
    assert str(tmp_path / "pyproject.toml") in str(caught.value)


def test_a_folder_without_pyproject_is_no_app(tmp_path: Path) -> None:
    with pytest.raises(WrongKind):
        place_of(tmp_path)


def test_a_package_stays_a_package_whatever_lies_in_it(tmp_path: Path) -> None:
    folder = flower_app(tmp_path)
    assert is_project(folder)
    assert read_project(folder).config == {"plus": 0.5}
    (folder / "__init__.py").touch()
    assert not is_project(folder)
    assert place_of(folder).name == "__init__.py"


@pytest.mark.parametrize("name", ["pyproject.toml", "client_app.py", "server_app.py", "new.py"])
def test_the_pin_is_of_all_that_is_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = flower_app(tmp_path)
    before = hash_of_app(folder)
    path = folder / name if name.startswith("pyproject") else folder / folder.name / name
    with path.open("a") as file:
        file.write("\n# changed\n")
    assert hash_of_app(folder) != before


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("  partition-id=0 num-partitions=3", {"partition-id": 0, "num-partitions": 3}),
        ("site='north wing' lr=0.5 quick=true", {"site": "north wing", "lr": 0.5, "quick": True}),
        ('path="/data/a=b" sgd.lr=1', {"path": "/data/a=b", "sgd.lr": 1}),
    ],
)
def test_a_node_config_is_spelled_as_flower_spells_it(text: str, found: dict[str, object]) -> None:
    assert node_config_in(text) == found


@pytest.mark.parametrize(
    "text", ["x", "x=", "=3", "a=1 b", "a=1 a=2", "a=north", "a=[1]", "a='x", "a='x'b=2", "a=1=2"]
)
def test_what_is_no_node_config_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="node config"):
        node_config_in(text)


@pytest.mark.parametrize(
    ("found", "why"),
    [("1.39.0", "1.39.0 is too old, 1.40 or later"), ("2.0.0", "2.0.0 is too new, .* below 2.0")],
)
def test_a_flower_of_another_version_is_refused_with_both(
    monkeypatch: pytest.MonkeyPatch, found: str, why: str
) -> None:
    monkeypatch.setattr(versions, "version", lambda name: found)
    with pytest.raises(BadApp, match=why):
        check_flower("lungs")


@pytest.mark.parametrize("found", ["1.40.0", "1.42.0.dev20261101", "1.99"])
def test_flower_is_taken_from_1_40_on(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(versions, "version", lambda name: found)
    assert check_flower("lungs") == found


def test_a_flower_that_lacks_what_is_used_is_said_to_be_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "version", lambda name: "1.99")
    monkeypatch.setitem(sys.modules, "participant.flower.running", None)
    with pytest.raises(BadApp, match=r"flwr 1\.99 is not made as .* pip install 'flwr==1\.42\.0'"):
        load_app(flower_app(tmp_path), None)


def test_without_flower_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise versions.PackageNotFoundError(name)

    monkeypatch.setattr(versions, "version", missing)
    with pytest.raises(BadApp, match=r"flwr is not installed: pip install 'quorate-fl\[flower\]'"):
        load_app(flower_app(tmp_path), None)
