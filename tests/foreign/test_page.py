"""The report's page with every text in it poisoned: no element more, and no word steers."""

import dataclasses

import pytest

from participant.report.facts import Diary, Metric, Report
from participant.report.page import render
from tests.foreign.poison import POISONS, offences, poisoned
from tests.participant.report.test_page import Read
from tests.participant.report.test_page import report as good_report

JOURNAL = Diary("rounds.jsonl", (Metric("accuracy", {1: 0.5, 2: 0.75}), Metric("x", {1: 0.5})))


@pytest.fixture(scope="module")
def report() -> Report:
    return dataclasses.replace(good_report(), journal=JOURNAL)


def bad(report: Report, text: str) -> Report:
    """With a text after every text, but those by which the page finds something.

    The schema lets a session be nothing but its kind and a number or a plain name.
    """
    found = poisoned(report, text)
    assert found.contents
    assert report.contents
    rounds = tuple(
        dataclasses.replace(
            new, phases=old.phases, kind=old.kind, name=old.name, session=old.session
        )
        for new, old in zip(found.contents.rounds, report.contents.rounds, strict=True)
    )
    results = tuple(
        dataclasses.replace(new, number=old.number)
        for new, old in zip(found.results, report.results, strict=True)
    )
    return dataclasses.replace(
        found, contents=dataclasses.replace(found.contents, rounds=rounds), results=results
    )


def names_of(page: str) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in Read(page).elements]


@pytest.mark.parametrize("kind", sorted(POISONS))
def test_no_text_adds_an_element_or_steers(report: Report, kind: str) -> None:
    page = render(bad(report, POISONS[kind]))
    assert names_of(page) == names_of(render(bad(report, "x")))
    assert [found for found in offences(page) if "characters" not in found] == []
