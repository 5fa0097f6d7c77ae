"""An app gets the variables that are named to it, and never the passphrase."""

import pytest
import typer

from participant.cli.work.app_surroundings import variables_of

AROUND = {"PATIENTS": "p.csv", "QUORATE_PASSPHRASE": "correct horse", "OTHER": "x"}


def test_a_variable_has_the_value_that_it_has_here_or_is_given() -> None:
    found = variables_of(["PATIENTS", "MODE=a=b", "EMPTY="], environment=AROUND)
    assert found == {"PATIENTS": "p.csv", "MODE": "a=b", "EMPTY": ""}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("NOWHERE", "NOWHERE is not set here: set it, or give NOWHERE=VALUE"),
        ("", "give the NAME"),
        ("=x", "give the NAME"),
        ("QUORATE_PASSPHRASE", "never gets the passphrase"),
        ("QUORATE_PASSPHRASE=x", "never gets the passphrase"),
    ],
)
def test_what_cannot_be_given_is_told_before_anything_is_asked(given: str, why: str) -> None:
    with pytest.raises(typer.BadParameter, match=why) as caught:
        variables_of([given], environment=AROUND)
    assert "correct horse" not in str(caught.value)


def test_a_flower_apps_node_config_is_a_variable_of_its_own() -> None:
    given = "partition-id=0 site='north wing'"
    assert variables_of([], given, AROUND) == {"QUORATE_NODE_CONFIG": given}
    with pytest.raises(typer.BadParameter, match="'north' is not NAME=VALUE"):
        variables_of([], "partition-id=0 north", AROUND)
