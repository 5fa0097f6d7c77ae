"""The plot of ``make bench``: seconds to encrypt against the number of weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plot(found: Mapping[str, Any], file: Path) -> None:
    """Ours and the peers', both axes logarithmic; dashed is what follows from a few weights."""
    import matplotlib  # slow to import, and only the plot needs it
    from matplotlib.figure import Figure

    # The same figures give the same file: no date, and names of elements that do not vary.
    with matplotlib.rc_context({"svg.hashsalt": "quorate", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        growth = found["growth"]
        sizes = [growth[0]["weights"], growth[-1]["weights"]]
        axes.loglog(*_line(growth), marker="o", linewidth=2.5, label="hybrid (ours)")
        each = found["paillier"]["encrypt_seconds_per_weight"]
        packed = [each * size for size in sizes]
        axes.loglog(sizes, packed, linestyle="--", label="packed Paillier (ours)")
        for peer in found.get("peers", {}).values():
            if "encrypt_seconds_per_weight" in peer:
                theirs = [peer["encrypt_seconds_per_weight"] * size for size in sizes]
                axes.loglog(sizes, theirs, linestyle="--", label=peer["package"])
            elif "growth" in peer:
                axes.loglog(*_line(peer["growth"]), marker="s", label=peer["package"])
        axes.set_xlabel("weights")
        axes.set_ylabel("seconds to encrypt, one core")
        axes.grid(True, alpha=0.3)
        axes.legend()
        figure.savefig(file, metadata={"Date": None})


def _line(growth: list[Mapping[str, Any]]) -> tuple[list[int], list[float]]:
    return [row["weights"] for row in growth], [row["encrypt_seconds"] for row in growth]
