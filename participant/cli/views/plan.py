"""A study in words, for whoever is to approve it: what follows from its plan, and its dangers."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from participant.words import start_words
from participant.words.fingerprint import fingerprint
from protocol.board import AWAY, Study
from protocol.messages import Statistic, Training
from protocol.words import shown
from protocol.words.counted import counted
from protocol.words.duration import duration

_WIDTH = 84  # characters of a text beside its heading
_HEAD = 14
_OWN_START = "the app's own initial parameters, which must be the same at every hospital"
_LONGEST = 2_000  # of what others say: sixteen names, or a purpose


def plan_lines(study: Study) -> Iterator[str]:
    """What is computed, by whom, what leaves a hospital, what comes out, and what guards it."""
    plan, terms = study.plan, study.terms
    yield f"Study {study.name} of {shown(terms.name)}"
    yield f"  {'fingerprint':<{_HEAD}}{fingerprint(study.digest)}  (the same at every member)"
    yield said("purpose", plan.purpose)
    if study.is_training:
        yield from _training_rows(study, study.training)
    else:
        yield from _statistic_rows(study, study.statistic)


def _training_rows(study: Study, work: Training) -> Iterator[str]:
    yield from row("computed", _trained(work))
    yield from row("app", _app(work))
    yield said("run", _run(work))
    yield from row("starts from", start_words(work, study.terms, _OWN_START))
    yield from _members(study)
    yield from row(
        "each sends",
        "In every round, encrypted: by how much training changed each weight of the model, times "
        f"{_weight(work)}. In clear: the names, shapes and number types of the model's entries, "
        "and a digest of the model",
    )
    yield from row(
        "bounds",
        f"A weight changes by at most {work.clip:g} in the first round, in {work.bits} bits, and "
        f"{_examples(work)}. Later rounds follow what hospitals need, within these",
    )
    yield from row(
        "comes out",
        "After every round: the average model. With it comes the "
        + ("number of hospitals in the sum" if _is_equal(work) else "sum of their examples"),
    )
    yield from _readers(study)
    yield from _rules(study)
    yield from row(
        "careful",
        "An app decides what its numbers mean. An app that has an entry of its own for each "
        "hospital would show that hospital in the average, and no rule can see that: read the app",
    )
    if not _is_equal(work):
        yield from row(
            "",
            "Sums of examples show the number of patients of a hospital that comes or leaves, by "
            'the difference of two rounds. weights = "equal" in the plan would not',
        )


def _statistic_rows(study: Study, work: Statistic) -> Iterator[str]:
    places = counted(work.decimals, "decimal") if work.decimals else "no decimals"
    numbers = counted(work.length, "number")
    yield from row("computed", f"Once: the sums over hospitals of {numbers} with {places}")
    yield said("data", f"{work.data}. Sums over data of one name are compared")
    for label in work.labels:
        yield said("sum of", label)
    if not work.labels:
        yield from row("sum of", "The numbers have no labels. Ask the proposer what they are")
    yield from _members(study)
    yield from row(
        "each sends", f"Once, encrypted: its {numbers}. In clear: nothing that is not in the plan"
    )
    yield from row("comes out", "The sums, and whose numbers are in them")
    yield from _readers(study)
    yield from _rules(study)
    yield from row(
        "careful",
        "A label says what a number is, and nobody can check it. A number that only one hospital "
        "has, and all others give as 0, shows that hospital",
    )


def _trained(work: Training) -> str:
    how = "all hospitals weigh the same" if _is_equal(work) else "weighed by their examples"
    return f"The average of what hospitals train, in {counted(work.rounds, 'round')}, {how}"


def _app(work: Training) -> str:
    if not work.app:
        return (
            "NOT PINNED. Every hospital runs the app that it has, and this plan says nothing of "
            "what that computes. To approve it takes --unpinned"
        )
    return (
        f"pinned to SHA-256 {work.app.hex()}. No hospital's agent runs another, and a program at a "
        "socket has to say that it runs this one"
    )


def _run(work: Training) -> str:
    if not work.run:
        return "the one that the first program names, if any. The study is for no other then"
    return f"{work.run}. A program that trains for another one is refused"


def _weight(work: Training) -> str:
    return "1" if _is_equal(work) else "its number of examples"


def _examples(work: Training) -> str:
    if _is_equal(work):
        return "a hospital with examples counts as 1"
    return f"a hospital has at most {counted(work.max_examples, 'example')}"


def _is_equal(work: Training) -> bool:
    return work.weights == "equal"


def _members(study: Study) -> Iterator[str]:
    yield said("members", _names(study, study.members))


def _readers(study: Study) -> Iterator[str]:
    others = [m for m in range(1, study.terms.n_members + 1) if m not in study.members]
    who = f"the aggregator, {_names(study, others)}" if others else "the aggregator"
    yield said("read by", f"Its members alone. It stays closed to {who}")


def _rules(study: Study) -> Iterator[str]:
    terms, plan = study.terms, study.plan
    yield from row(
        "rules",
        f"Every sum has {study.least_contributors} hospitals or more. It is opened by "
        f"{terms.quorum} of {terms.n_members}, once {terms.lock_threshold} have agreed to its set. "
        f"A round waits {duration(plan.seconds)} for the last hospital",
    )
    does = "is refused" if terms.floors.differencing == "refuse" else "is warned of, and opened"
    yield from row(
        "",
        f"A sum {does} where it shows, with all that was ever opened, fewer than "
        f"{terms.least_difference} hospitals",
    )
    yield from row(
        "",
        "A hospital does only what it has approved. It may withdraw, from the next round on. "
        f"{terms.lock_threshold} hospitals together may end the study",
    )
    if study.is_training:
        yield from row("", _kept(study.training))
        other = "examples" if _is_equal(study.training) else "equal"
        yield from row(
            "",
            f'A hospital that has added to a study with weights = "{other}", from the same model '
            "or one near to it, adds nothing here",
        )


def _kept(work: Training) -> str:
    kept = work.keep_vectors
    return (
        f"The aggregator keeps the vectors of the last {counted(kept, 'round')}, and of up to "
        f"{AWAY * kept} for a hospital that is away. Who is away for longer goes on from another "
        "hospital's model"
    )


def _names(study: Study, members: Sequence[int]) -> str:
    return ", ".join(map(study.terms.name_of, members))


def said(head: str, text: str) -> str:
    """Words of others beside their heading, on one line: none of them may look like another row."""
    return f"  {head:<{_HEAD}}{shown(text, _LONGEST)}"


def row(head: str, text: str) -> Iterator[str]:
    """Words of this program beside their heading, on as many lines as they take."""
    for number, line in enumerate(wrap(text, _WIDTH) or [""]):
        yield f"  {head if number == 0 else '':<{_HEAD}}{line}"
