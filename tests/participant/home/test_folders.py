"""Where a participant keeps its files."""

from pathlib import Path

import pytest

from participant.errors import DiskError
from participant.home.folders import federation_folder, home_folder


def test_the_option_comes_first_then_the_environment_then_the_default() -> None:
    environment = {"QUORATE_HOME": "from-environment"}
    assert home_folder(Path("from-option"), environment) == Path.cwd() / "from-option"
    assert home_folder(None, environment) == Path.cwd() / "from-environment"
    assert home_folder(None, {}) == home_folder(None, {"QUORATE_HOME": ""})
    assert home_folder(None, {}) == Path.home() / ".quorate"


def test_a_tilde_is_the_users_folder() -> None:
    assert home_folder(Path("~/q"), {}) == Path.home() / "q"


def test_each_federation_has_a_folder() -> None:
    assert federation_folder(Path("h"), bytes(range(32))) == Path("h/0001020304050607")


def test_a_data_folder_stays_where_it_is_when_the_current_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = home_folder(Path("home"), {})
    monkeypatch.chdir("/")
    assert home == tmp_path / "home"


def test_a_current_folder_that_is_gone_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(DiskError, match="home"):
        home_folder(Path("home"), {})
    assert home_folder(Path("/home"), {}) == Path("/home")
