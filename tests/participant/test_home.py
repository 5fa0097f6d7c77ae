"""Where a participant keeps its files."""

from __future__ import annotations

from pathlib import Path

from participant.home import federation_folder, home_folder


def test_the_option_comes_first_then_the_environment_then_the_default() -> None:
    environment = {"QUORATE_HOME": "from-environment"}
    assert home_folder(Path("from-option"), environment) == Path("from-option")
    assert home_folder(None, environment) == Path("from-environment")
    assert home_folder(None, {}) == home_folder(None, {"QUORATE_HOME": ""})
    assert home_folder(None, {}) == Path.home() / ".quorate"


def test_a_tilde_is_the_users_folder() -> None:
    assert home_folder(Path("~/q"), {}) == Path.home() / "q"


def test_each_federation_has_a_folder() -> None:
    assert federation_folder(Path("h"), bytes(range(32))) == Path("h/0001020304050607")
