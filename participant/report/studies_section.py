"""The studies: what each computes, under which rules, and who approved it when."""

from participant.report.facts import Contents, StudyFacts
from participant.report.markup import Markup, element, join, table
from participant.report.words import count, names, when
from participant.words import start_words
from protocol.messages import Statistic, Training
from protocol.terms import Terms
from protocol.words import shown

_SUITES = {
    "auto": "the suite that is cheaper for its length",
    "paillier": "packed Paillier ciphertexts",
}


def studies_section(contents: Contents) -> Markup:
    """Every study that was proposed."""
    terms = contents.terms
    none = element("p", "No study was proposed.") if not contents.studies else None
    return element(
        "section",
        element("h2", "Studies"),
        none,
        [_study(found, terms) for found in contents.studies],
        id="studies",
    )


def _study(found: StudyFacts, terms: Terms) -> Markup:
    proposer = shown(terms.name_of(found.proposer))
    said = f"Proposed by {proposer} at entry {found.proposed.entry}, {when(found.proposed.time_ms)}"
    ended = f" Ended by votes at entry {found.ended.entry}." if found.ended else ""
    return element(
        "article",
        element("h3", shown(found.name)),
        element("p", shown(found.plan.purpose)),
        element("p", f"{said} UTC. {_progress(found)}{ended}"),
        element("ul", [element("li", rule) for rule in rules(found, terms)]),
        _words(found, terms),
        element("p", join("Digest of the plan: ", found.digest.hex()), class_="soft"),
    )


def _progress(found: StudyFacts) -> str:
    return f"{found.opened} of {count(found.rounds, 'round')} opened."


def rules(found: StudyFacts, terms: Terms) -> list[str]:
    """The plan in sentences."""
    plan = found.plan
    common = [
        f"{names(terms, plan.members)} may contribute, and read what comes out.",
        f"A sum has at least {plan.least_contributors} contributors. A round closes when all have "
        f"contributed, or {count(plan.seconds, 'second')} after its opening as soon as enough "
        "have.",
    ]
    work = plan.work
    return common + (_training(work, terms) if isinstance(work, Training) else _statistic(work))


def _training(work: Training, terms: Terms) -> list[str]:
    equal = work.weights == "equal"
    app = f"the app with SHA-256 {work.app.hex()}" if work.app else "an app that it chose itself"
    start = start_words(work, terms, "the app's initial model")
    run = f", for the run {shown(work.run)}" if work.run else ""
    suite = _SUITES.get(work.suite, f"the suite {work.suite}")
    return [
        f"It trains a model in {count(work.rounds, 'round')}, beginning with {start}. Each "
        f"hospital runs {app}{run}.",
        f"Each weight may change by at most {work.clip:g} in the first round, and later by twice "
        "the largest change of the last three rounds, rounded up to a power of two. Where an "
        "update changes more, the round's sum shows nobody's update, and the next round has room "
        f"for it. Changes are rounded at random, with at most {work.bits} bits, and encrypted "
        f"under {suite}.",
        "All hospitals count the same."
        if equal
        else f"No hospital's update counts for more than {work.max_examples:,} examples.",
        "Each round opens, to these hospitals, the average of the updates, the sum of the "
        "contributors' numbers of examples, and how many contributors there are of each size of "
        "largest change and of number of examples, by powers of two. Where one hospital comes or "
        "goes between two rounds, the difference is its own.",
    ]


def _statistic(work: Statistic) -> list[str]:
    what = f"It adds {count(work.length, 'number')} with {count(work.decimals, 'decimal')}, once"
    said = [f"{what}, computed from the data {shown(work.data)}."]
    if work.labels:
        shown_labels = "; ".join(map(shown, work.labels[:_SHOWN_LABELS]))
        more = len(work.labels) - _SHOWN_LABELS
        rest = f"; and {more} more" if more > 0 else ""
        said.append(f"Its numbers, as the plan calls them: {shown_labels}{rest}.")
    return said


_SHOWN_LABELS = 50


def _words(found: StudyFacts, terms: Terms) -> Markup | None:
    if not found.words:
        return element("p", "Nobody has approved it.")
    labels = ("hospital", "said", "entry", "when (UTC)")
    rows = [
        element(
            "tr",
            element("th", names(terms, [word.by]), scope="row"),
            element("td", word.said, data_label=labels[1]),
            element("td", str(word.at.entry), class_="number", data_label=labels[2]),
            element("td", when(word.at.time_ms), data_label=labels[3]),
        )
        for word in found.words
    ]
    return table("Who said what of this plan", labels, rows, "cards", "entry")
