"""The report in a real browser: nothing fetched, nothing cut, on any screen and on paper."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from participant.report.facts import Contents, Diary, Metric, Report, gather
from participant.report.page import render
from tests.browser.chromium import Page, chromium
from tests.stage.record.good import good
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write

pytestmark = pytest.mark.browser

WIDTHS = [1280, 380]
SECTIONS = ["verification", "federation", "ceremonies", "rounds", "accuracy", "glossary"]
JOURNAL = Diary(
    "rounds.jsonl",
    (Metric("accuracy", {1: 0.5, 2: 0.75, 3: 0.875}), Metric("loss", {1: 1234.5, 2: 0.1, 3: 0.01})),
)
PAPER_PX = (297 - 20 - 18) * 96 / 25.4  # what A4 leaves between the margins


@pytest.fixture(scope="module")
def report() -> Report:
    return gather(MemoryFiles(write(good().story).files), JOURNAL)


@pytest.fixture(scope="module")
def contents(report: Report) -> Contents:
    assert report.contents
    return report.contents


@pytest.fixture(scope="module")
def file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(report))
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Page, file: Path) -> Page:
    browser.media("screen")
    browser.open(file, request.param)
    return browser


def boxes(page: Page, selector: str) -> list[dict[str, Any]]:
    """Where things are on the page, in px, and what they say."""
    return page.ask(
        f"[...document.querySelectorAll({selector!r})].map(e => {{"
        "  const b = e.getBoundingClientRect();"
        "  return {left: b.left, right: b.right, top: b.top + scrollY, bottom: b.bottom + scrollY,"
        "          text: e.textContent.trim(), name: e.tagName + '.' + e.getAttribute('class')};"
        "})"
    )


def test_it_loads_without_a_complaint_and_fetches_nothing(page: Page, file: Path) -> None:
    assert page.complaints == []
    assert page.requests == [file.resolve().as_uri()]
    assert page.ask("document.scripts.length") == 0
    assert page.ask("performance.getEntriesByType('resource').length") == 0


def test_nothing_is_wider_than_the_screen(page: Page) -> None:
    width = page.ask("innerWidth")
    assert page.ask("document.documentElement.scrollWidth") == width
    out = [b for b in boxes(page, "body *") if b["right"] > width + 0.5 or b["left"] < -0.5]
    assert out == []


def test_all_sections_and_all_rounds_are_there_to_be_seen(page: Page, contents: Contents) -> None:
    for section in SECTIONS:
        (box,) = boxes(page, f"#{section}")
        assert box["bottom"] - box["top"] > 60, section
    titles = [box["text"] for box in boxes(page, "#rounds article h3")]
    kinds = {True: "Round", False: "Statistic"}
    assert titles == [f"{kinds[r.is_training]} {r.name}" for r in contents.rounds if r.opened]
    for member in contents.members:
        named = [b for b in boxes(page, "article.round tbody th") if b["text"] == member.name]
        assert len(named) == len(titles)


def test_no_word_is_cut_or_lies_over_another_in_its_table(page: Page) -> None:
    cut = page.ask(
        "[...document.querySelectorAll('th, td, dt, dd, p, li, h1, h2, h3, caption')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1)"
        ".map(e => e.textContent)"
    )
    assert cut == []


def overlap(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (
        one["left"] < other["right"] - 0.5
        and other["left"] < one["right"] - 0.5
        and one["top"] < other["bottom"] - 0.5
        and other["top"] < one["bottom"] - 0.5
    )


def test_words_of_plots_lie_beside_the_plotting_area_and_not_on_each_other(page: Page) -> None:
    figures = page.ask("document.querySelectorAll('figure').length")
    assert figures == 3
    for k in range(1, figures + 1):
        figure = f"figure:nth-of-type({k})"
        for place in ("#rounds", "#accuracy"):
            words = boxes(page, f"{place} {figure} .plot text")
            (frame, *_) = [*boxes(page, f"{place} {figure}"), None]
            if frame is None:
                continue
            lines = boxes(page, f"{place} {figure} .grid")
            area = {
                "left": min(b["left"] for b in lines), "right": max(b["right"] for b in lines),
                "top": min(b["top"] for b in lines), "bottom": max(b["bottom"] for b in lines),
            }  # fmt: skip
            for n, word in enumerate(words):
                assert not overlap(word, area), word
                assert frame["left"] <= word["left"] <= word["right"] <= frame["right"] + 0.5, word
                assert frame["top"] <= word["top"] <= word["bottom"] <= frame["bottom"], word
                assert not [o for o in words[n + 1 :] if overlap(word, o)], word
            for shape in boxes(page, f"{place} {figure} .area :is(rect, polyline)"):
                assert area["left"] - 1 <= shape["left"] <= shape["right"] <= area["right"] + 1
                assert area["top"] - 1 <= shape["top"] <= shape["bottom"] <= area["bottom"] + 1


# ── on paper ──


def colours(page: Page, what: str) -> set[str]:
    return set(
        page.ask(
            "[...document.querySelectorAll('html, body, body *')]"
            f".map(e => getComputedStyle(e).{what})"
        )
    )


def lightness(colour: str) -> float:
    """0 to 255; what is transparent is as light as paper."""
    red, green, blue, *alpha = map(float, re.findall(r"[\d.]+", colour))
    return 255.0 if alpha == [0.0] else 0.299 * red + 0.587 * green + 0.114 * blue


def test_print_has_no_backgrounds(browser: Page, file: Path) -> None:
    browser.media("screen")
    browser.open(file, 1280)
    assert len(colours(browser, "backgroundColor")) > 1
    browser.media("print")
    assert all(lightness(c) == 255 for c in colours(browser, "backgroundColor"))
    assert colours(browser, "backgroundImage") == {"none"}
    assert all(lightness(c) < 140 for c in colours(browser, "color"))
    browser.media("screen")


def pages_of(pdf: bytes) -> int:
    """The number of pages of a PDF as Chromium writes it."""
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def test_it_prints_to_so_many_pages_and_no_row_or_figure_is_cut(browser: Page, file: Path) -> None:
    browser.media("screen")
    browser.open(file, 1280)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF-")
    # As much as it takes on one long sheet of that width, and a little for what is kept together.
    browser.media("print")
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=round((210 - 32) * 96 / 25.4), height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    least = browser.ask("document.documentElement.scrollHeight") / PAPER_PX
    assert least <= pages_of(pdf) <= 1.5 * least + 1
    kept = browser.ask(
        "[...document.querySelectorAll('tr, figure, .verdict, .glance, article.round')]"
        ".map(e => [getComputedStyle(e).breakInside, e.getBoundingClientRect().height])"
    )
    # Whatever is kept together fits on a page, so that the browser can keep it together.
    assert {inside for inside, _ in kept} == {"avoid"}
    assert max(height for _, height in kept) < PAPER_PX
    heads = browser.ask(
        "[...document.querySelectorAll('thead')].map(e => getComputedStyle(e).display)"
    )
    assert set(heads) == {"table-header-group"}
    browser.media("screen")


def test_a_broken_record_is_seen_to_be_broken(browser: Page, tmp_path: Path) -> None:
    files = dict(write(good().story).files)
    path = max(p for p in files if p.startswith("entries/"))
    files[path] = files[path][:-1] + bytes([files[path][-1] ^ 1])
    shown = tmp_path / "report.html"
    shown.write_text(render(gather(MemoryFiles(files), None)))
    for width in WIDTHS:
        browser.open(shown, width)
        assert browser.complaints == []
        (verdict,) = boxes(browser, "[role=alert]")
        assert "FAILED" in verdict["text"]
        assert verdict["bottom"] < 500
        assert browser.ask("document.documentElement.scrollWidth") == width
