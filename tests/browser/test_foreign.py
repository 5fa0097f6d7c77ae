"""The report of a federation whose every text is markup, in a real browser: none of it acts."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from participant.report.facts import gather
from participant.report.page import render
from tests.browser.chromium import Page, chromium
from tests.foreign.poison import POISONS
from tests.foreign.test_page import JOURNAL, bad
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write

pytestmark = pytest.mark.browser

COUNTED = "[...document.querySelectorAll('*')].map(e => e.tagName).join()"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


def test_no_script_runs_and_no_element_is_injected(browser: Page, tmp_path: Path) -> None:
    files = MemoryFiles(write(good().story).files)
    report = dataclasses.replace(gather(files, None), journal=JOURNAL)
    path = tmp_path / "report.html"
    path.write_text(render(bad(report, "x")))
    browser.open(path, 1280)
    elements = browser.ask(COUNTED)
    for kind, poison in POISONS.items():
        path.write_text(render(bad(report, poison)))
        browser.open(path, 1280)
        assert browser.complaints == [], kind
        assert browser.requests == [path.resolve().as_uri()], kind
        assert browser.ask(COUNTED) == elements, kind
        assert browser.ask("document.scripts.length") == 0
        assert browser.ask("document.title") != "owned"
        assert str(browser.ask("document.title")).startswith("Record of "), kind
    shown = browser.ask("document.body.textContent")
    assert "A" * 1_000 in shown
    path.write_text(render(bad(report, POISONS["html"])))
    browser.open(path, 1280)
    assert POISONS["html"] in browser.ask("document.body.textContent")
