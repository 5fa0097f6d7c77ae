"""``make bench``: every benchmark at a modest size, written to docs/benchmarks.md with a plot."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.suites.peers import PEERS, decrypting
from benchmarks.suites.plot import plot
from benchmarks.timing import processor
from examples.demo.processes import ROOT, DemoFailed
from keyshare.ceremony import MAX_MEMBERS

Figures = Mapping[str, Any]

COMMANDS: Mapping[str, Sequence[str]] = {
    "suites": [
        *("suites", "--weights", "1000000", "--members", "16"),
        *(word for name in PEERS for word in ("--peer", name)),
    ],
    "large-round": ["large-round", "--weights", "1000000", "--bits", "2048"],
    "ceremony": ["ceremony", "--bits", "2048", "--parties", "3", "--runs", "3"],
    "handover": ["handover", "--from", "3/5", "--to", "3/5", "--bits", "3072", "--runs", "3"],
    "large-handover": ["handover", "--from", "9/16", "--to", "9/16", "--runs", "3"],
    "growth": ["handover", "--growth", "100", "--plot", "docs/handover-growth.png"],
    "failover": ["failover", "--kills", "20", "--freezes", "5"],
    "long-board": ["long-board", "--rounds", "10000"],
    "sums": ["sums", "--contributions", "32", "--weights", "100000000"],
    "multiplication": ["multiplication", "--bits", "2048", "--parties", "5"],
}
_HANDOVERS = ("handover", "large-handover")
_PACKAGES = ("gmpy2", "numpy", "cryptography", "phe")
_SKIPPED = "skipped"
_SPREAD = ("min", "median", "max")


def main() -> dict[str, Any]:
    """Run all, one after the other, each in a process of its own; what was written."""
    results = {name: _run(arguments) for name, arguments in COMMANDS.items()}
    written = write(results, machine(), ROOT / "docs")
    return {"written": [str(path.relative_to(ROOT)) for path in written]}


def write(results: Mapping[str, Figures], where: Mapping[str, str], folder: Path) -> list[Path]:
    """The page and the plot of the results of all ``COMMANDS``."""
    page, picture = folder / "benchmarks.md", folder / "benchmarks.svg"
    page.write_text(markdown(results, where))
    plot(results["suites"], picture)
    return [page, picture]


def machine() -> dict[str, str]:
    """What the figures were measured on, and when."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }


def markdown(results: Mapping[str, Figures], where: Mapping[str, str]) -> str:
    """The whole page."""
    parts = [
        "# Benchmarks",
        "Written by `make bench`; do not edit.",
        _table(["machine", ""], where.items()),
        *_suites(results["suites"]),
        *_large_round(results["large-round"]),
        *_ceremony(results["ceremony"]),
        *_handovers([results[name] for name in _HANDOVERS]),
        *_growth(results["growth"]),
        *_failover(results["failover"]),
        *_long_board(results["long-board"]),
        *_sums(results["sums"]),
        *_multiplication(results["multiplication"]),
    ]
    return "\n\n".join(parts) + "\n"


def _suites(found: Figures) -> Iterable[str]:
    peers = found.get("peers", {})
    paillier = found["paillier"]
    yield f"## An update of {found['weights']:,} weights, {found['members']} members"
    yield _command("suites")
    yield (
        "One core, its processor time; medians. Encryption is from float64 weights to bytes ready"
        " to be sent, with the proof; decryption is what one member computes from a sum to its"
        " weights: its part with a proof, combining, opening. The time of peers is for"
        " the same steps as far as they have them. Ours keeps"
        f" {found['weight_bits']} bits of a weight ({paillier['weight_bits']} when packed)."
    )
    columns = ["", "encrypt, s", "bytes a weight", "add one, s", "decrypt, s", "what it is"]
    rows = [_row("hybrid (ours)", found, f"{found['quorum']} of {found['members']} decrypt")]
    rows.append(_packed_row(found))
    rows += [_row(name, peer, peer["what"]) for name, peer in peers.items() if _SKIPPED not in peer]
    yield _table(columns, rows)
    for name, peer in peers.items():
        if _SKIPPED in peer:
            yield f"{name} ({peer['package']}) was not run: {peer[_SKIPPED]}."
    yield from _ratios(peers)
    yield "For a key, once: a table of powers, {:.2f} s. In a round of any length:".format(
        found["table_seconds"]
    )
    yield _table(["step", "s"], _steps(found))
    yield "## Growth with the model"
    yield "![Seconds to encrypt an update against the number of its weights](benchmarks.svg)"
    columns = ["weights", "encrypt, s", "ns a weight", "bytes a weight", "add one, s", "open, s"]
    yield _table(columns, map(_growth_row, found["growth"]))
    yield f"The most memory that all of this took: {found['peak_megabytes']} MB."


def _row(name: str, row: Figures, what: str) -> list[str]:
    adding = row.get("parse_seconds", 0.0) + row["add_seconds"]
    if row.get("extrapolated"):
        what += f"; from {row['measured_weights']} weights"
    figures = row["encrypt_seconds"], row["bytes_per_weight"], adding, decrypting(row)
    return [name, *map(_figure, figures), what]


def _packed_row(found: Figures) -> list[str]:
    packed, weights = found["paillier"], found["weights"]
    figures = (
        packed["encrypt_seconds_per_weight"] * weights,
        packed["bytes_per_weight"],
        packed["add_seconds_per_weight"] * weights,
    )
    what = f"{packed['weights_per_ciphertext']} weights a ciphertext; from some ciphertexts"
    return ["packed Paillier (ours)", *map(_figure, figures), "", what]


def _ratios(peers: Mapping[str, Figures]) -> Iterable[str]:
    compared = {name: peer["ratios"] for name, peer in peers.items() if "ratios" in peer}
    if compared:
        yield "How often our hybrid suite's figure goes into theirs:"
        columns = list(next(iter(compared.values())))
        rows = [[name, *(_figure(r[c]) for c in columns)] for name, r in compared.items()]
        yield _table(["", *columns], rows)


def _steps(found: Figures) -> list[list[str]]:
    share = found["checking_to_making"]
    steps = {
        f"a member's part of the {found['key_ciphertexts']} key ciphertexts": "partial_seconds",
        "the proof that it is right": "equality_proof_seconds",
        f"checking one hospital's part, {share:.1%} of making it": "equality_check_seconds",
        f"combining {found['quorum']} parts": "combine_seconds",
        "checking one contribution's proof of its plaintexts": "verify_seconds",
    }
    return [[step, _figure(found[name])] for step, name in steps.items()]


def _growth_row(row: Figures) -> list[str]:
    names = (
        *("encrypt_seconds", "encrypt_ns_per_weight", "bytes_per_weight"),
        *("add_seconds", "open_seconds"),
    )
    return [f"{row['weights']:,}", *(_figure(row[name]) for name in names)]


def _large_round(found: Figures) -> Iterable[str]:
    yield f"## A round of {found['parties']} hospitals, whole processes over TLS"
    yield _command("large-round")
    yield _table(
        ["weights", "whole, s", "encrypt, s", "decrypt, s", "MB up", "MB down", "peak MiB"],
        [
            [
                f"{found['weights']:,}",
                *(_figure(found[name]) for name in ("seconds", "encrypt_seconds")),
                _figure(found["decrypt_seconds"]),
                *(_figure(found[name] / 1e6) for name in ("bytes_up", "bytes_down")),
                str(max(found["peak_mib"].values())),
            ]
        ],
    )
    yield "Seconds by the clock, of processes that share the cores; the peak is the largest one's."


def _ceremony(found: Figures) -> Iterable[str]:
    seconds = found["seconds"]
    yield "## A key ceremony"
    yield _command("ceremony")
    yield _table(
        ["key bits", "hospitals", "runs", "mean, s", "least to most, s", "sent by each, MB"],
        [
            [
                *(str(found[name]) for name in ("bits", "parties", "runs")),
                _figure(seconds["mean"]),
                f"{_figure(seconds['min'])} to {_figure(seconds['max'])}",
                _figure(found["bytes_sent_per_party"] / 1e6),
            ]
        ],
    )


def _handovers(found: Sequence[Figures]) -> Iterable[str]:
    yield "## A refresh of the key, whole processes over TLS"
    yield from map(_command, _HANDOVERS)
    columns = [
        *("quorum", "key bits", "first to last word, s", "once all have come, s"),
        *("with all processes, s", "rounds", "kB on the board", "share bits"),
    ]
    rows = [
        [
            f"{one['quorum']} of {one['members']}",
            str(one["bits"]),
            *map(_range, (one["seconds"], one["seconds_together"], one["seconds_of_processes"])),
            str(one["board_rounds"]),
            _figure(one["bytes_on_board"] / 1000),
            "{} to {}".format(*one["share_bits"]),
        ]
        for one in found
    ]
    yield _table(columns, rows)
    columns = [
        *("quorum", "a hospital, s", "the aggregator, s", "all of them, a core, s"),
        "cores that others had",
    ]
    rows = [
        [
            f"{one['quorum']} of {one['members']}",
            _range(one["cpu_seconds_of_a_member"]),
            _range(one["cpu_seconds_of_the_aggregator"]),
            _figure(_seconds_a_core(one)),
            _range(one["cores_of_others"]),
        ]
        for one in found
    ]
    yield "Of the processors:"
    yield _table(columns, rows)
    yield (
        "Least to most of {} runs, on {} cores of {}, which all hospitals and the aggregator"
        " share. All type the command at once, so the first words wait for the last process to"
        " start. Where other programs had cores too, the seconds by the clock are longer than on an"
        " idle machine. Passphrases are derived at their real cost."
    ).format(found[0]["runs"], found[0]["cores"], found[0]["processor"])


def _seconds_a_core(one: Figures) -> float:
    """What all processes took of each core, starts included: no clock shows less."""
    member, service = one["cpu_seconds_of_a_member"], one["cpu_seconds_of_the_aggregator"]
    return float((one["members"] * member["mean"] + service["mean"]) / one["cores"])


def _range(spread: Figures) -> str:
    return f"{_figure(spread['min'])} to {_figure(spread['max'])}"


def _growth(found: Figures) -> Iterable[str]:
    ours, classical = found["share_bits"], found["classical_share_bits"]
    yield "## Shares over many refreshes"
    yield _command("growth")
    yield "![Bits of the longest share against the number of refreshes](handover-growth.png)"
    yield (
        f"After {found['refreshes']} refreshes the longest share has {ours[-1]} bits, after the"
        f" first {ours[1]}. Shares that are shared anew have {classical[-1]} bits."
    )


def _failover(found: Figures) -> Iterable[str]:
    append = found["append"]
    yield "## A board in PostgreSQL, and the next leader"
    yield _command("failover")
    yield (
        f"Three hospitals train {found['rounds']} rounds over TLS. Their aggregator has"
        f" {found['processes']} processes on PostgreSQL {found['postgresql']}. Each time the board"
        " has grown a little, the leader is ended. From then on, until the next one answers over"
        " TLS, in seconds:"
    )
    ends = ("killed (SIGKILL)", "seconds_killed"), ("frozen (SIGSTOP)", "seconds_frozen")
    rows = [
        [what, str(found[name]["runs"]), *(_figure(found[name][k]) for k in _SPREAD)]
        for what, name in ends
    ]
    yield _table(["the leader is", "times", "least", "median", "most"], rows)
    yield (
        f"Of {found['entries']} entries none was lost, and {found['entries_twice'] or 'none'} came"
        " twice. The hospitals would have stopped at a lost one. A frozen leader woke up beside the"
        " next one each time."
    )
    yield (
        f"Durable appends of {append['entry_bytes']:,} bytes, {append['appends']:,} to each"
        f" database, by turns on one disk, of a machine with {found['cores']} cores of"
        f" {found['processor']}:"
    )
    figures = map(_figure, (append["sqlite_a_second"], append["postgresql_a_second"]))
    row = [*figures, f"{_figure(append['ratio'])} times"]
    yield _table(["SQLite, a second", "PostgreSQL, a second", "an append takes"], [row])


def _long_board(found: Figures) -> Iterable[str]:
    starts = found["aggregator"]
    yield f"## A board of {found['rounds']:,} rounds"
    yield _command("long-board")
    yield (
        f"{found['entries']:,} entries of five hospitals, {found['board_bytes'] / 1e6:,.0f} MB."
        " Processor seconds are those of all processes, and memory is their peak together. 64 MiB"
        " of a hospital's are Argon2's."
    )
    rows = [
        [
            f"{who}: {what}",
            _figure(one["seconds"]) if "seconds" in one else "",
            _figure(one["cpu_seconds"]),
            _figure(one["peak_mib"]),
            f"{one['bytes_down'] / 1e6:,.3f}" if "bytes_down" in one else "",
        ]
        for who, whose in (
            ("aggregator", starts),
            ("hospital", found["agent"]),
            ("record", found["record"]),
        )
        for what, one in whose.items()
    ]
    yield _table(["", "by the clock, s", "of processors, s", "MiB", "MB down"], rows)
    alone = {what: _figure(seconds) for what, seconds in found["alone"].items()}
    yield (
        f"Of a verification the signatures alone take {alone['signatures']} s of a processor, and"
        f" the products alone that its proofs need take {alone['products']} s."
    )
    tick, report = (_figure(starts["next start"][name]) for name in ("tick_ms", "report_ms"))
    yield (
        f"Once started, the aggregator looks for what is due in {tick} ms, and makes a report for"
        f" `status` in {report} ms."
    )
    before, after = (
        found["vectors"][f"blob_bytes_a_round_{when}"] / 1e3 for when in ("before", "after")
    )
    yield (
        f"Of blobs a round leaves {_figure(after)} kB once its vectors are deleted,"
        f" {_figure(before)} kB before. On {found['cores']} cores of {found['processor']}."
    )


def _sums(found: Figures) -> Iterable[str]:
    yield "## Long vectors, added here and by Dask's workers"
    yield _command("sums")
    yield (
        f"{found['contributions']} contributions of {found['weights']:,} weights, 3 bytes each, in"
        f" rounds of {MAX_MEMBERS} at most. All lie on the disk before the first is added. Both"
        " sums are the same, chunk by chunk. Processor seconds are those of all processes:"
    )
    rows = [
        [where, *(_figure(found[way][name]) for name in ("seconds", "cpu_seconds"))]
        for where, way in (
            ("in the aggregator's process", "in_process"),
            (f"by {found['workers']} workers of Dask", "dask"),
            ("the second, of the first", "ratio"),
        )
    ]
    yield _table(["", "by the clock, s", "of processors, s"], rows)
    yield f"On {found['cores']} cores of {found['processor']}."


def _multiplication(found: Figures) -> Iterable[str]:
    yield "## Ways to multiply what is shared"
    yield _command("multiplication")
    yield "One party's cost of a mean ceremony, without a network:"
    rows = [
        [way, *(_figure(found[way][name]) for name in ("colluders", "seconds", "megabytes"))]
        for way in ("shares", "paillier", "ring")
    ]
    yield _table(["way", "colluders", "s", "MB"], rows)


def _command(name: str) -> str:
    return f"```\n.venv/bin/python -m benchmarks {' '.join(COMMANDS[name])}\n```"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: float) -> str:
    """Three digits that count; no exponent."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.12f}".rstrip("0").rstrip(".")


def _run(arguments: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", *arguments, "--json"]
    print(f"running {arguments[0]}", flush=True)
    done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise DemoFailed(f"the benchmark {arguments[0]} ended with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))
