"""Plots in SVG, by hand: lengths across are per cent, so that they fit any width of page.

Heights and letters are in px. Phases differ in lightness and pattern, for printing in grey.
"""

import math
from collections.abc import Sequence

from participant.report.facts import PHASES, Metric, RoundFacts
from participant.report.markup import Markup, element, join
from participant.report.words import took

_TOP, _HEIGHT, _BELOW = 14, 190, 34  # px: above, of and below the plotting area
_LABELS = 10  # at most, along the rounds
_WHOLE = _TOP + _HEIGHT + _BELOW


def phases_plot(rounds: Sequence[RoundFacts]) -> Markup:
    """A column a round, with the seconds of its phases one on the other."""
    most = max(sum(r.phases.values()) for r in rounds)
    ticks = _ticks(0.0, most)
    top, width = ticks[-1], 100 / len(rounds)
    columns = []
    for k, found in enumerate(rounds):
        done, parts = 0.0, []
        for phase, seconds in found.phases.items():
            height = seconds / top * _HEIGHT
            y = _HEIGHT - done - height
            title = element("title", f"Round {found.name}, {phase}: {took(seconds)}")
            parts.append(
                element(
                    "rect", title, x=f"{(k + 0.14) * width:.3f}%", y=f"{y:.2f}",
                    width=f"{0.72 * width:.3f}%", height=f"{height:.2f}",
                    class_=f"phase-{PHASES.index(phase)}",
                )
            )  # fmt: skip
            done += height
        columns.append(element("g", parts))
    slowest = max(rounds, key=lambda r: sum(r.phases.values()))
    described = (
        f"{len(rounds)} rounds; the longest, round {slowest.name}, took "
        f"{took(sum(slowest.phases.values()))}."
    )
    labels = [(found.name, (k + 0.5) * width) for k, found in enumerate(rounds)]
    return _frame(
        "phases", "Seconds of each phase, by round", described, ticks, labels, join(columns), " s"
    )


def metric_plot(number: int, metric: Metric) -> Markup:
    """A figure after each round; at least one value."""
    rounds, values = list(metric.values), list(metric.values.values())
    first, last = rounds[0], rounds[-1]
    ticks = _ticks(min(values), max(values))
    span = max(1, last - first)

    def x(number: float) -> float:
        return 4 + 92 * (number - first) / span if last > first else 50

    def y(value: float) -> float:
        return _HEIGHT * (1 - (value - ticks[0]) / (ticks[-1] - ticks[0]))

    pieces = [_line([(x(r), y(value)) for r, value in metric.values.items()])]
    for r, value in metric.values.items():
        title = element("title", f"Round {r}: {value:.6g}")
        pieces.append(element("circle", title, cx=f"{x(r):.3f}%", cy=f"{y(value):.2f}", r=4))
    described = f"{values[0]:.4g} after round {first}, {values[-1]:.4g} after round {last}."
    labels = [(str(r), x(r)) for r in rounds]
    return _frame(
        f"metric-{number}", f"{metric.name}, by round", described, ticks, labels, join(pieces), ""
    )


def swatch(phase: str) -> Markup:
    """What a phase looks like, for the legend."""
    box = element("rect", width=18, height=12, class_=f"phase-{PHASES.index(phase)}")
    return element("svg", box, width=18, height=12, class_="swatch", aria_hidden="true")


def patterns() -> Markup:
    """The patterns that all plots of a page use."""
    stripes = element(
        "pattern",
        element("rect", width=6, height=6, class_="paper"),
        element("path", d="M0 6 L6 0 M-1 1 L1 -1 M5 7 L7 5", class_="stripe"),
        id="stripes", width=6, height=6, patternUnits="userSpaceOnUse",
    )  # fmt: skip
    dots = element(
        "pattern",
        element("rect", width=5, height=5, class_="paper"),
        element("circle", cx="2.5", cy="2.5", r=1, class_="dot"),
        id="dots", width=5, height=5, patternUnits="userSpaceOnUse",
    )  # fmt: skip
    definitions = element("defs", stripes, dots)
    return element("svg", definitions, width=0, height=0, class_="patterns", aria_hidden="true")


def _line(points: Sequence[tuple[float, float]]) -> Markup:
    """A line in per cent across and px down; its stroke is not stretched with it."""
    path = " ".join(f"{x:.3f},{y:.2f}" for x, y in points)
    return element(
        "svg", element("polyline", points=path), viewBox=f"0 0 100 {_HEIGHT}", width="100%",
        height=_HEIGHT, preserveAspectRatio="none", class_="stretched",
    )  # fmt: skip


def _frame(
    name: str,
    title: str,
    described: str,
    ticks: Sequence[float],
    labels: Sequence[tuple[str, float]],
    inside: Markup,
    unit: str,
) -> Markup:
    """A plot with its axes; ``inside`` is drawn in the plotting area."""
    span = ticks[-1] - ticks[0]
    grid = []
    for tick in ticks:
        y = _TOP + _HEIGHT * (1 - (tick - ticks[0]) / span)
        line = f"{y:.2f}"
        grid.append(element("line", x1=0, x2="100%", y1=line, y2=line, class_="grid"))
        said = f"{tick:.6g}{unit}"
        grid.append(element("text", said, x=-8, y=f"{y + 4:.2f}", class_="tick"))
    step = math.ceil(len(labels) / _LABELS)
    shown = [
        element("text", label, x=f"{x:.3f}%", y=_TOP + _HEIGHT + 18, class_="label")
        for label, x in labels[::step]
    ]
    area = element("svg", inside, y=_TOP, width="100%", height=_HEIGHT, class_="area")
    axis = element("text", "round", x="100%", y=_WHOLE - 2, class_="axis")
    heading = element("title", title, id=f"{name}-title")
    about = element("desc", described, id=f"{name}-desc")
    return element(
        "svg", heading, about, grid, area, shown, axis, height=_WHOLE, role="img", class_="plot",
        aria_labelledby=f"{name}-title {name}-desc",
    )  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from below ``low`` to above ``high``, three to seven of them."""
    if high - low < 1e-12 * max(abs(low), abs(high), 1e-300):
        around = abs(high) / 2 or 1.0
        low, high = (0.0, around) if high == 0 else (low - around, high + around)
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= raw * 0.999)
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [round(k * step, 12) if abs(step) > 1e-9 else k * step for k in range(first, last + 1)]
