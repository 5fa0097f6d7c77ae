"""How good the models were, by one hospital's own account."""

from participant.report.facts import Contents, Diary
from participant.report.markup import Markup, element
from participant.report.plots import metric_plot
from protocol.messages import read_session


def accuracy_section(contents: Contents, journal: Diary | None) -> Markup:
    """A plot of each figure, or plainly why there is none."""
    heading = element("h2", "The models")
    if journal is None:
        none = (
            "No journal was given, so nothing is told here of how accurate the models were: such "
            "figures are each hospital's own, and not on the board. A hospital adds its own with "
            "--journal, from studies/NAME/rounds.jsonl of its data folder."
        )
        return element("section", heading, element("p", none), id="accuracy")
    if not journal.metrics:
        said = f"The journal {journal.source} holds no figures of a model."
        return element("section", heading, element("p", said), id="accuracy")
    intro = (
        f"These figures are one hospital's own, on its own data, from its journal "
        f"{journal.source}. Nobody else has seen them, and no check covers them."
    )
    figures = []
    for number, metric in enumerate(m for m in journal.metrics if m.values):
        last = metric.values[max(metric.values)]
        caption = f"{metric.name}: {last:.4g} after the last round."
        figures.append(
            element(
                "figure", element("h3", metric.name), metric_plot(number, metric),
                element("figcaption", caption),
            )
        )  # fmt: skip
    return element(
        "section", heading, element("p", intro), _unknown(contents, journal), figures,
        id="accuracy",
    )  # fmt: skip


def _unknown(contents: Contents, journal: Diary) -> Markup | None:
    """A journal may be of another federation, or go on after the record."""
    known = {read_session(r.session).number for r in contents.rounds if r.is_training} | {0}
    told = {number for metric in journal.metrics for number in metric.values}
    if not (unknown := sorted(told - known)):
        return None
    listed = ", ".join(map(str, unknown[:10])) + (" and more" if len(unknown) > 10 else "")
    said = f"The record knows nothing of these rounds of the journal: {listed}."
    return element("p", said, class_="finding")
