"""Every link from page to page leads to a page, and to a heading that is on it."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import OF_TODAY, PACKAGES, PAGES, ROOT, ids, prose, spans

CHAPTERS = ROOT / "docs/how-it-works/README.md"
DECISIONS = ROOT / "docs/decisions"


def anchors(page: Path) -> set[str]:
    """The names that a page's headings have in links, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def links(page: Path) -> list[str]:
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


@pytest.mark.parametrize("page", PAGES, ids=ids(PAGES))
def test_every_link_leads_to_what_is_there(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_a_heading_is_found_by_the_name_that_a_link_has_for_it() -> None:
    assert "5-parts-and-the-sum" in anchors(ROOT / "docs/how-it-works/rounds.md")


def test_every_page_is_reached_from_the_front_page() -> None:
    seen, ahead = set[Path](), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in seen:
                ahead.append(target)
    assert {page for page in OF_TODAY if page.is_relative_to(ROOT / "docs")} <= seen


def test_the_code_and_its_makefile_name_pages_that_are_there() -> None:
    files = [path for kind in ("*.py", "*.toml", "Makefile") for path in ROOT.glob(kind)]
    for folder in ("keyshare", "protocol", "participant", "aggregator", "benchmarks", "tests"):
        files += (ROOT / folder).rglob("*.py")
    found = [
        (path, name)
        for path in files
        for name in re.findall(r"\bdocs/[\w/-]+\.md", path.read_text())
    ]
    assert len(found) > 10, "the check must see what it is about"
    for path, name in found:
        assert (ROOT / name).exists() or path.name == "test_paths.py", f"{path}: {name}"


def test_every_chapter_of_the_protocol_has_its_page() -> None:
    """The table of chapters has each folder's name, in a row with the page about it."""
    rows = [line for line in CHAPTERS.read_text().splitlines() if line.startswith("| ")]
    for folder in sorted((ROOT / "protocol").glob("*/__init__.py")):
        chapter = f"`protocol.{folder.parent.name}`"
        assert any(chapter in row and ".md)" in row for row in rows), chapter


def test_every_folder_of_the_code_stands_among_the_chapters() -> None:
    named = set(spans(CHAPTERS))
    for package in PACKAGES:
        for folder in (ROOT / package).glob("*/__init__.py"):
            assert f"{package}.{folder.parent.name}" in named, folder
    for folder in (ROOT / "tests").glob("*/__init__.py"):
        assert f"tests/{folder.parent.name}" in named, folder


def test_each_decision_has_its_number_alone_and_says_what_it_costs() -> None:
    pages = sorted(DECISIONS.glob("0*.md"))
    index = (DECISIONS / "README.md").read_text()
    assert pages
    numbers = [int(page.name[:4]) for page in pages]
    assert len(set(numbers)) == len(numbers)
    for number, page in zip(numbers, pages, strict=True):
        text = page.read_text()
        title = text.splitlines()[0].removeprefix(f"# {number}. ")
        assert f"| [{number}]({page.name}) | {title} |" in index, page
        assert "**Decided.**" in text, page
        assert "**Costs.**" in text, page
