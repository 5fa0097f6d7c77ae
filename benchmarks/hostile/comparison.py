"""Three honest hospitals train while strangers, or a fourth hospital, attack; against quiet ones.

All processes are whole ones on loopback: the aggregator as it is served, the hospitals' agents, the
attacker. *Connects* are connections that the three hospitals make anew twice a second each, with
the agent's own code and patience (10 s), from the attack's third second to the end of the
last round. A round lasts from its opening on the board to its last post. Attackers from "the same
address" share 127.0.0.1 with the hospitals; the others come from 127.0.0.2.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.hostile.member import BLOB_BYTES, POSTS
from benchmarks.hostile.scene import HONEST, Attack, Federation, found, play

SILENT, HALF_OPEN, FLOOD_SECONDS, CLEAN_UP_SECONDS = 500, 1_400, 20, 10
_OTHER, _SAME = "127.0.0.2", "127.0.0.1"


def _strangers(kind: str, count: int, source: str, descriptors: int = 0) -> Attack:
    arguments = (kind, "--count", str(count), "--source", source)
    return Attack("benchmarks.hostile.stranger", arguments, descriptors=descriptors)


_MEMBER = "benchmarks.hostile.member"
QUIET, QUIET_WITH_FOURTH = "quiet", "quiet, a fourth member idle"
SCENES: Mapping[str, Attack | None] = {
    QUIET: None,
    "silent": _strangers("silent", SILENT, _OTHER),
    "silent, same address": _strangers("silent", SILENT, _SAME),
    "half-open": _strangers("half-open", HALF_OPEN, _OTHER, 1024),
    "half-open, same address": _strangers("half-open", HALF_OPEN, _SAME, 1024),
    QUIET_WITH_FOURTH: None,
    "flood": Attack(
        _MEMBER, ("flood", "--seconds", str(FLOOD_SECONDS)), HONEST + 1,
        clean_up_seconds=CLEAN_UP_SECONDS,
    ),
    "one blob in many posts": Attack(_MEMBER, ("name",), HONEST + 1),
}  # fmt: skip
_WITH_FOURTH = (QUIET_WITH_FOURTH, "flood", "one blob in many posts")


def measure(weights: int, rounds: int, key_bits: int, scenes: Sequence[str]) -> dict[str, Any]:
    """Each scene from the same ceremony; the quiet ones that others are compared with, always."""
    played: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="quorate-hostile-") as name:
        folder = Path(name)
        for quiet, members in ((QUIET, HONEST), (QUIET_WITH_FOURTH, HONEST + 1)):
            of_these = _WITH_FOURTH if quiet == QUIET_WITH_FOURTH else set(SCENES) - {*_WITH_FOURTH}
            chosen = [s for s in SCENES if s in of_these and (s in scenes or s == quiet)]
            if any(s in scenes for s in of_these):
                print(f"a ceremony of {members}", file=sys.stderr, flush=True)
                made = found(folder / f"of-{members}", members, rounds, key_bits)
                played |= _play(made, folder, weights, chosen)
    facts = {"weights": weights, "rounds": rounds, "key_bits": key_bits}
    return facts | {"blob_bytes": BLOB_BYTES, "posts": POSTS, "scenes": compared(played)}


def _play(
    made: Federation, folder: Path, weights: int, scenes: Sequence[str]
) -> dict[str, dict[str, Any]]:
    played = {}
    for number, scene in enumerate(scenes):
        print(scene, file=sys.stderr, flush=True)
        copy = made.copy(folder / f"{made.folder.name}-{number}")
        played[scene] = play(copy, weights, SCENES[scene])
    return played


def compared(played: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each scene with its round's time as a multiple of the quiet one, and what came on top."""
    result = {}
    for scene, figures in played.items():
        quiet = played[QUIET_WITH_FOURTH if scene in _WITH_FOURTH else QUIET]
        result[scene] = figures | {
            "round_ratio": round(figures["round_seconds"] / quiet["round_seconds"], 2),
            "extra_bytes_down": figures["bytes_down"] - quiet["bytes_down"],
            "extra_stored_bytes": figures["stored_bytes"] - quiet["stored_bytes"],
        }
        if "stored_bytes_after_clean_up" in figures:
            extra = figures["stored_bytes_after_clean_up"] - quiet["stored_bytes"]
            result[scene]["extra_stored_bytes_after_clean_up"] = extra
    return result


def table(result: Mapping[str, Any]) -> str:
    """The scenes, one a line."""
    columns = [
        "scene", "connects", "failed", "slowest, s", "round, s", "x quiet", "uploads refused",
        "log lines", "MB down on top", "MB stored on top", "after clean-up", "attacker",
    ]  # fmt: skip
    lines = [columns, ["---"] * len(columns)]
    lines += [_line(scene, figures) for scene, figures in result["scenes"].items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(scene: str, figures: Mapping[str, Any]) -> list[str]:
    after = figures.get("extra_stored_bytes_after_clean_up")
    return [
        scene,
        *(str(figures[name]) for name in ("connects", "connects_failed")),
        f"{figures['slowest_connect_seconds']:.2f}",
        f"{figures['round_seconds']:.2f}",
        f"{figures['round_ratio']:.2f}",
        *(str(figures[name]) for name in ("uploads_refused", "log_lines")),
        f"{figures['extra_bytes_down'] / 1e6:.1f}",
        f"{figures['extra_stored_bytes'] / 1e6:.1f}",
        "" if after is None else f"{after / 1e6:.1f}",
        ", ".join(f"{name} {value}" for name, value in figures["attacker"].items()),
    ]
