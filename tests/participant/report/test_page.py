"""The page: one file that nothing breaks out of, and that never looks fine on a broken record."""

import dataclasses
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise

import msgspec
import pytest

from participant.report.facts import (
    CardFacts,
    Contents,
    Deed,
    Diary,
    Metric,
    RefusalFacts,
    Report,
    RoundFacts,
    gather,
)
from participant.report.markup import Markup, css_string, element
from participant.report.page import render
from participant.report.plots import metric_plot, phases_plot
from participant.report.style import style
from protocol.terms.terms import Terms
from tests.stage.files import flipped
from tests.stage.record.good import good
from tests.stage.record.handed import handed_over
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import write

JOURNAL = Diary("rounds.jsonl", (Metric("accuracy", {1: 0.5, 2: 0.75, 3: 0.875}),))
NASTY = (
    "<script>alert(1)</script>",
    '" onload="alert(2)',
    "'; } </style><script>alert(3)//",
    "--> ]]> &amp; \\",
)
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "nav", "main", "section", "article",
    "footer", "h1", "h2", "h3", "p", "ul", "li", "a", "strong", "span", "div", "dl", "dt", "dd",
    "table", "caption", "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "br",
    "svg", "defs", "pattern", "rect", "path", "circle", "line", "polyline", "text", "desc", "g",
}  # fmt: skip


class Read(HTMLParser):
    """All elements of a page, which must nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


@cache
def report() -> Report:
    return gather(MemoryFiles(write(good().story).files), JOURNAL)


@cache
def page() -> str:
    return render(report())


def contents() -> Contents:
    found = report().contents
    assert found
    return found


def test_the_same_record_gives_the_same_page() -> None:
    again = gather(MemoryFiles(write(good().story).files), JOURNAL)
    assert render(again) == page()


def test_the_page_is_one_file_without_scripts_and_fetches_nothing() -> None:
    read = Read(page())
    assert {tag for tag, _ in read.elements} <= TAGS
    for tag, attributes in read.elements:
        assert not {"src", "style", "srcset", "data", "action", "background"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#"), (tag, attributes)
    (sheet,) = re.findall(r"<style>(.*?)</style>", page(), re.DOTALL)
    assert set(re.findall(r"url\(([^)]*)\)", sheet)) == {"#stripes", "#dots"}
    assert "@import" not in sheet


def test_everything_that_is_asked_of_it_is_on_it() -> None:
    said = Read(page()).said
    run = [r for r in report().results if not r.not_run]
    assert len(run) >= 25
    for part in (
        f"All {len(run)} checks hold",
        contents().fingerprint,
        contents().ceremonies[1].fingerprint,
        "H2 broke the rules at entry",
        "by the rule min-contributors",
        "said that the partial decryptions of H4 are wrong, with the key that shows it",
        "3 of 4",
        "256 bits",
        "4 of 4 agree on the result",
        contents().head.hash.hex(),
        "Nobody else has seen them",
    ):
        assert part in said, part
    for found in contents().rounds:
        if found.opened:
            kind = "Round" if found.is_training else "Statistic"
            assert f"{kind} {found.name}" in said


def test_a_check_that_had_nothing_to_look_at_does_not_say_that_it_holds() -> None:
    results = tuple(
        dataclasses.replace(r, count=0) if r.number == "5.3" else r for r in report().results
    )
    idle = Read(render(dataclasses.replace(report(), results=results))).said
    assert "5.3 each member locked one set 0 — nothing to check" in idle
    assert "5.3 each member locked one set 16 ✓ holds" in Read(page()).said


def test_handovers_of_the_key_are_among_the_checks_and_guests_have_names() -> None:
    found = gather(MemoryFiles(write(handed_over()).files), None)
    assert not found.failed
    said = Read(render(found)).said
    assert "3.12 the key that was handed over is the same key" in said
    assert "G2 (guest) has signed for entries up to" in said
    assert "joining G1, G2; leaving H4" in said


def test_headings_and_tables_are_what_a_screen_reader_needs() -> None:
    read = Read(page())
    assert read.all("html") == [{"lang": "en"}]
    assert all(th.get("scope") in ("row", "col") for th in read.all("th"))
    assert len(read.all("caption")) == len(read.all("table")) == len(read.all("thead"))
    named = {a["id"] for _, a in read.elements if "id" in a}
    plots = [svg for svg in read.all("svg") if svg.get("role") == "img"]
    assert len(plots) == 2
    for plot in plots:
        assert set((plot["aria-labelledby"] or "").split()) <= named
    assert all("aria-hidden" in s for s in read.all("svg") if "swatch" in (s.get("class") or ""))
    assert {(a.get("href") or "")[1:] for a in read.all("a")} <= named
    assert max(Counter(a["id"] for _, a in read.elements if "id" in a).values()) == 1


def test_without_a_journal_the_page_says_so() -> None:
    bare = dataclasses.replace(report(), journal=None)
    assert "No journal was given" in Read(render(bare)).said
    empty = dataclasses.replace(report(), journal=Diary("j", ()))
    assert "holds no figures" in Read(render(empty)).said


def test_a_journal_of_rounds_that_the_record_does_not_know_is_noticed() -> None:
    other = Diary("j", (Metric("loss", {1: 1.0, 77: 0.5}),))
    said = Read(render(dataclasses.replace(report(), journal=other))).said
    assert "knows nothing of these rounds of the journal: 77" in said


# ── cards ──


def test_the_aggregators_cards_are_told_in_a_section_of_their_own() -> None:
    found = contents()
    url = found.cards[0].url
    moved = dataclasses.replace(
        found.cards[0], number=2, url="wss://new.example:1", pin=b"", seen={3: Deed(70, 0)}
    )
    said = Read(render(dataclasses.replace(report(), contents=with_cards(moved)))).said
    assert re.search(rf"card address known by .* card 1 {url} TLS key \S+ all 4 hospitals ", said)
    due = "card 2 wss://new.example:1 public certificate authorities H3 1970-01-01 00:00:00"
    assert f"{due} (entry 70)" in said
    assert "two cards" not in said


def test_two_cards_of_one_number_are_called_what_they_are() -> None:
    other = dataclasses.replace(contents().cards[0], url="wss://elsewhere:1", seen={3: Deed(70, 0)})
    said = Read(render(dataclasses.replace(report(), contents=with_cards(other)))).said
    assert "has signed two cards with the number 1" in said


def test_without_a_card_the_page_says_so() -> None:
    none = dataclasses.replace(contents(), cards=())
    said = Read(render(dataclasses.replace(report(), contents=none))).said
    assert "No hospital has said where it reaches the aggregator." in said


def with_cards(*more: CardFacts) -> Contents:
    found = contents()
    return dataclasses.replace(found, cards=(*found.cards, *more))


# ── what others have written ──


def renamed(terms: Terms) -> Terms:
    members = tuple(
        msgspec.structs.replace(m, name=name) for m, name in zip(terms.members, NASTY, strict=True)
    )
    return msgspec.structs.replace(terms, members=members, name=NASTY[2])


def refusals(found: RoundFacts) -> tuple[RefusalFacts, ...]:
    """The same, in other words."""
    return tuple(dataclasses.replace(r, reason=NASTY[0], rule=NASTY[1]) for r in found.refusals)


def test_nobodys_name_or_reason_breaks_out_of_the_page() -> None:
    found = contents()
    members = tuple(
        dataclasses.replace(m, name=name) for m, name in zip(found.members, NASTY, strict=True)
    )
    rounds = tuple(dataclasses.replace(r, refusals=refusals(r)) for r in found.rounds)
    cards = tuple(dataclasses.replace(c, url=NASTY[0]) for c in found.cards)
    nasty = dataclasses.replace(
        found, terms=renamed(found.terms), members=members, rounds=rounds, cards=cards
    )
    results = tuple(
        dataclasses.replace(
            r,
            notes=list(NASTY),
            findings=[dataclasses.replace(f, party=NASTY[1], reason=NASTY[0]) for f in r.findings],
        )
        for r in report().results
    )
    journal = Diary(NASTY[0], (Metric(NASTY[1], {1: 1.0, 2: 2.0}), Metric(NASTY[0], {1: 1.0})))
    made = render(Report(results, nasty, journal))
    read = Read(made)
    assert {tag for tag, _ in read.elements} <= TAGS
    assert Counter(tag for tag, _ in read.elements)["style"] == 1
    known = {name for _, attributes in Read(page()).elements for name in attributes}
    assert {name for _, attributes in read.elements for name in attributes} <= known
    for name in NASTY:
        assert name in read.said


def test_words_in_the_style_sheet_stay_inside_their_string() -> None:
    for words in (*NASTY, 'a"; } * { display: none', "\\", "a\nb", "Zoë <b>"):
        quoted = css_string(words)
        assert re.fullmatch(r'"(?:[A-Za-z0-9 ]|\\[0-9a-f]+ )*"', quoted), quoted
        assert style(words, words, words).count("{") == style("", "", "").count("{")


def test_what_is_no_markup_is_escaped_wherever_it_goes() -> None:
    made = element("p", NASTY[0], Markup("<b>bold</b>"), title=NASTY[1], data_label="")
    assert made == (
        '<p title="&quot; onload=&quot;alert(2)">'
        "&lt;script&gt;alert(1)&lt;/script&gt;<b>bold</b></p>"
    )
    assert "\u202e" not in element("p", "a\u202eb")  # turns the writing direction


# ── broken records ──


FLIP, END = b"flip a bit", b"?" * 40


def broken(path_part: str, change: bytes | None) -> Report:
    """The good record with the last file of a kind gone, a bit of it flipped, or another end."""
    files = dict(write(good().story).files)
    path = max(p for p in files if p.startswith(path_part))
    if change is None:
        del files[path]
    elif change == FLIP:
        files[path] = flipped(files[path])
    else:
        files[path] = files[path][: -len(change)] + change
    return gather(MemoryFiles(files), None)


BREAKS = [
    (part, change)
    for part in ("record.json", "federation.toml", "entries/", "blobs/", "heads/")
    for change in (None, FLIP, END)
    if (part, change) != ("heads/", None)  # who has not countersigned breaks nothing
]


@pytest.mark.parametrize(("part", "change"), BREAKS)
def test_a_broken_record_never_looks_fine(part: str, change: bytes | None) -> None:
    found = broken(part, change)
    assert found.failed
    made = render(found)
    said = Read(made).said
    assert f"✗ This record FAILED {len(found.failed)} check" in said
    assert said.index("FAILED") < 200
    assert "checks hold" not in said
    assert css_string(f"VERIFICATION FAILED: {', '.join(found.failed)}") in made
    assert css_string("Verified") not in made
    if found.contents:
        assert "must not be relied on" in said
    for result in found.results:
        for failure in result.failures:
            assert " ".join(failure.reason.split()) in said


def test_without_terms_only_the_checks_are_told() -> None:
    found = broken("federation.toml", b"\xff")
    assert found.contents is None
    said = Read(render(found)).said
    assert "The terms in it do not read" in said
    assert "Rounds" not in said


# ── plots ──


def test_columns_end_at_the_top_of_their_phases_and_inside_the_plot() -> None:
    rounds = [r for r in contents().rounds if r.is_training and r.phases]
    bars = Read(phases_plot(rounds)).all("rect")
    assert len(bars) == sum(len(r.phases) for r in rounds)
    for bar in bars:
        assert 0 <= float(bar["y"] or "") <= 190
        assert float((bar["x"] or "").rstrip("%")) + float((bar["width"] or "").rstrip("%")) <= 100


@pytest.mark.parametrize(
    "values",
    [
        {1: 0.5}, {1: 0.0, 2: 0.0}, {3: -1e-9, 9: 1e-9}, {1: 1e300, 2: -1e300}, {0: 7.0, 1: 7.0},
        {1: 5e-324, 2: 0.0}, {k: k / 1000 for k in range(1, 1000)},
    ],
)  # fmt: skip
def test_any_figures_stay_inside_the_plot(values: dict[int, float]) -> None:
    read = Read(metric_plot(0, Metric("m", values)))
    points = read.all("circle")
    assert len(points) == len(values)
    for point in points:
        assert -0.01 <= float(point["cy"] or "") <= 190.01
        assert 0 <= float((point["cx"] or "").rstrip("%")) <= 100
    ticks = [text for text in read.all("text") if text.get("class") == "tick"]
    assert 2 <= len(ticks) <= 8
    assert len([text for text in read.all("text") if text.get("class") == "label"]) <= 10


# ── colours ──


def luminance(colour: str) -> float:
    """Relative, by WCAG 2."""
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_all_words_have_enough_contrast() -> None:
    sheet = style("", "", "")
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", sheet))
    for name in ("ink", "soft", "deep", "good", "bad", "warn"):
        for ground in ("#ffffff", colours["tint"]):
            light, dark = luminance(ground) + 0.05, luminance(colours[name]) + 0.05
            assert light / dark >= 4.5, name


def test_phases_that_touch_differ_in_grey() -> None:
    found = re.findall(r"\.phase-(\d) \{ fill: (#[0-9a-f]{6}|url\(#\w+\))", style("", "", ""))
    fills = {int(k): fill for k, fill in found}
    assert len(fills) == 5
    plain = [luminance(fill) for fill in fills.values() if fill.startswith("#")]
    assert all(abs(a - b) > 0.15 for a, b in pairwise(plain))
    assert len({fill for fill in fills.values() if fill.startswith("url")}) == 2
