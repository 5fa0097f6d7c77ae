"""What complaints show, as people read it."""

import pytest

from participant.cli.sentences.omissions import complaint_line


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("proven", "Charité sent a wrong partial decryption, left out. Entry 12 is the evidence"),
        ("false", "Turku complains of Charité without cause (entry 12)"),
        (
            "unproven",
            "Turku could not open Charité's partial decryption and left it out. Entry 12 says so, "
            "which nobody else can check",
        ),
    ],
)
def test_a_line_says_who_and_where_and_whether_it_is_shown(verdict: str, expected: str) -> None:
    assert complaint_line("Charité", "Turku", 12, verdict) == expected
