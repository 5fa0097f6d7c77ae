"""The project's pages of markdown, and what they name."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
OF_TODAY = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names what was there
PACKAGES = ("keyshare", "protocol", "participant", "aggregator")

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def fenced(page: Path) -> list[str]:
    """Its blocks of code, pictures aside."""
    return [text for kind, text in _FENCED.findall(page.read_text()) if kind != "mermaid"]


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return _FENCED.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    """What stands between backticks in the prose, a line's end as a blank."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]
