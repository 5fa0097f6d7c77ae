"""How good the models were, by one hospital's own account."""

from itertools import pairwise

from participant.report.facts import Contents, Diary
from participant.report.markup import Markup, element
from participant.report.plots import metric_plot
from participant.report.words import count


def accuracy_section(contents: Contents, journal: Diary | None) -> Markup:
    """A plot of each figure, or plainly why there is none."""
    heading = element("h2", "The models")
    if journal is None:
        none = (
            "No journal was given, so nothing is told here of how accurate the models were: such "
            "figures are each hospital's own, and not on the board. A hospital adds its own with "
            "--journal, from models/rounds.jsonl of its data folder."
        )
        return element("section", heading, element("p", none), id="accuracy")
    if not journal.metrics:
        said = f"The journal {journal.source} holds no figures of a model."
        return element("section", heading, element("p", said), id="accuracy")
    intro = (
        f"These figures are one hospital's own, on its own data, from its journal "
        f"{journal.source}. Nobody else has seen them, and no check covers them."
    )
    begun = new_models(contents)
    figures = []
    for number, metric in enumerate(m for m in journal.metrics if m.values):
        last = metric.values[max(metric.values)]
        caption = f"{metric.name}: {last:.4g} after the last round."
        figures.append(
            element(
                "figure", element("h3", metric.name), metric_plot(number, metric, begun),
                element("figcaption", caption),
            )
        )  # fmt: skip
    notes = [
        element("p", f"With round {number} another model begins, of {said}.")
        for number, said in begun.items()
    ]
    return element(
        "section", heading, element("p", intro), _unknown(contents, journal), notes, figures,
        id="accuracy",
    )  # fmt: skip


def new_models(contents: Contents) -> dict[int, str]:
    """Rounds that train another model than the round before, as far as lengths tell."""
    rounds = [r for r in contents.rounds if r.is_training and r.opened]
    lengths = sorted((int(r.name), r.length) for r in rounds)
    return {
        number: count(length, "weight")
        for (_, before), (number, length) in pairwise(lengths)
        if length != before
    }


def _unknown(contents: Contents, journal: Diary) -> Markup | None:
    """A journal may be of another federation, or go on after the record."""
    known = {int(r.name) for r in contents.rounds if r.is_training} | {0}
    told = {number for metric in journal.metrics for number in metric.values}
    if not (unknown := sorted(told - known)):
        return None
    listed = ", ".join(map(str, unknown[:10])) + (" and more" if len(unknown) > 10 else "")
    said = f"The record knows nothing of these rounds of the journal: {listed}."
    return element("p", said, class_="finding")
