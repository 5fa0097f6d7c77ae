"""Measurements of this project and its peers: ``python -m benchmarks --help``."""

import argparse
import json
import os
import platform
from pathlib import Path

from benchmarks import app_process, ceremony, core_svp, large_round, multiplication, partials
from benchmarks.handover import growth, whole
from benchmarks.hostile import comparison as hostile
from benchmarks.peers import peer
from benchmarks.shaping import Shape
from benchmarks.suites import comparison as suites
from benchmarks.suites import peers as suites_peers
from benchmarks.timing import processor


def main() -> None:
    """Run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    _add_ceremony(commands.add_parser("ceremony", help="dealerless key generation"))
    _add_multiplication(
        commands.add_parser("multiplication", help="three ways to multiply what is shared")
    )
    _add_large_round(commands.add_parser("large-round", help="a round with a large model"))
    _add_suites(commands.add_parser("suites", help="encryption of an update, and of a sum"))
    _add_partials(commands.add_parser("partials", help="a part in a decryption, and its check"))
    _add_hostile(commands.add_parser("hostile", help="three hospitals train under attack"))
    _add_handover(commands.add_parser("handover", help="the key goes to new shares"))
    _add_app_process(commands.add_parser("app", help="an app in a process of its own"))
    _add_long_board(commands.add_parser("long-board", help="a board that has grown for years"))
    _add_failover(commands.add_parser("failover", help="a board in PostgreSQL, and its leaders"))
    _add_sums(commands.add_parser("sums", help="long vectors added here, and by Dask's workers"))
    trips = commands.add_parser("trips", help="moves between files in one round")
    trips.set_defaults(measure=_measure_trips)
    reporting = commands.add_parser("report", help="run all, write docs/benchmarks.md and .svg")
    reporting.set_defaults(measure=_report)
    security = commands.add_parser("security", help="the lattice attack on the hybrid suites")
    security.set_defaults(measure=lambda _: core_svp.measure())
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="in one line, for programs")
    options = parser.parse_args()
    result = options.measure(options)
    result |= {"python": platform.python_version(), "cores": os.cpu_count()}
    result |= {"processor": processor()}
    print(json.dumps(result, indent=None if options.json else 2))


def _add_app_process(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=int, default=25_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.set_defaults(measure=lambda options: app_process.measure(options.weights, options.runs))


def _add_ceremony(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bits", type=int, help="2048, or 512 with a peer")
    parser.add_argument("--parties", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--delay-ms", type=float, help="between a party and the aggregator, in each direction"
    )
    parser.add_argument(
        "--mbit", type=float, help="10^6 bit/s of each party, in each direction; else no limit"
    )
    parser.add_argument(
        "--peer", choices=["tno"], help=f"run {peer.PACKAGE} too, installed under build/"
    )
    parser.set_defaults(measure=_measure_ceremony)


def _measure_ceremony(options: argparse.Namespace) -> dict[str, object]:
    shape = None
    if options.delay_ms is not None or options.mbit is not None:
        rate = options.mbit and options.mbit * 1e6
        shape = Shape((options.delay_ms or 0.0) / 1000, rate)
    bits = options.bits or (512 if options.peer else 2048)
    result = ceremony.measure(bits, options.parties, options.runs, shape)
    result |= {"delay_ms": options.delay_ms, "mbit": options.mbit}
    if options.peer:
        ours = result["seconds"]["mean"]
        result["peer"] = peer.compare(bits, options.parties, options.runs, ours)
    return result


def _add_handover(parser: argparse.ArgumentParser) -> None:
    read = whole.Sizes.read
    parser.add_argument("--from", dest="old", type=read, default="3/5", help="quorum/members")
    parser.add_argument("--to", dest="new", type=read, default="3/5", help="equal to --from")
    parser.add_argument("--bits", type=int, default=3072)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", type=int, metavar="REFRESHES", help="how shares grow instead")
    parser.add_argument("--plot", type=Path, help="where to draw the growth, a .png")
    parser.set_defaults(measure=_measure_handover)


def _measure_handover(options: argparse.Namespace) -> dict[str, object]:
    old, new = options.old, options.new
    if old != new:
        raise SystemExit("a handover to other numbers is not measured: give --from and --to alike")
    if options.growth:
        result = growth.measure(old, options.bits, options.growth)
        if options.plot:
            growth.plot(result, options.plot)
        return result
    return whole.measure(old, options.bits, options.runs)


def _add_long_board(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=1_000, help="of its one study, at least 1")
    parser.set_defaults(measure=_measure_long_board)


def _measure_long_board(options: argparse.Namespace) -> dict[str, object]:
    from benchmarks.long_board import whole  # plays at the tests' table

    return whole.measure(options.rounds)


def _add_failover(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=20, help="leaders that are killed")
    parser.add_argument("--freezes", type=int, default=5, help="leaders that are frozen")
    parser.set_defaults(measure=_measure_failover)


def _measure_failover(options: argparse.Namespace) -> dict[str, object]:
    from benchmarks.failover import whole  # plays at the tests' table, and needs PostgreSQL

    return whole.measure(options.kills, options.freezes)


def _add_sums(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--contributions", type=int, default=32)
    parser.add_argument(
        "--weights", type=int, default=100_000_000, help="of each; 3 bytes, on disk"
    )
    parser.set_defaults(measure=_measure_sums)


def _measure_sums(options: argparse.Namespace) -> dict[str, object]:
    from benchmarks.sums import whole  # starts the tests' workers, and needs Dask

    return whole.measure(options.contributions, options.weights)


def _add_multiplication(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bits", type=int, default=2048)
    parser.add_argument("--parties", type=int, default=5, help="3 to 8")
    parser.set_defaults(measure=lambda o: multiplication.measure(o.bits, o.parties))


def _add_large_round(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=int, default=100_000_000)
    parser.add_argument("--bits", type=int, default=2048)
    parser.set_defaults(measure=lambda o: large_round.measure(o.weights, o.bits))


def _add_suites(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=int, default=1_000_000)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--key-bits", type=int, default=3072)
    parser.add_argument("--runs", type=int, default=suites.RUNS)
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        choices=list(suites_peers.PEERS),
        help="run another package too, installed under build/; may be repeated",
    )
    parser.set_defaults(measure=_measure_suites)


def _measure_suites(options: argparse.Namespace) -> dict[str, object]:
    bits, runs = options.key_bits, options.runs
    result = suites.measure(options.weights, options.members, bits, runs)
    if options.peer:
        result["peers"] = suites_peers.compare(options.peer, result, bits, runs)
    return result


def _add_partials(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--bits", type=int, default=3072)
    parser.add_argument("--ciphertexts", type=int, default=8)
    parser.set_defaults(measure=lambda o: partials.measure(o.bits, o.ciphertexts))


def _add_hostile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=int, default=200_000)
    parser.add_argument("--bits", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scene", action="append", choices=list(hostile.SCENES), help="only these")
    parser.set_defaults(measure=_measure_hostile)


def _measure_hostile(options: argparse.Namespace) -> dict[str, object]:
    scenes = options.scene or list(hostile.SCENES)
    result = hostile.measure(options.weights, options.rounds, options.bits, scenes)
    if not options.json:
        print(hostile.table(result))
    return result


def _measure_trips(_: argparse.Namespace) -> dict[str, object]:
    from benchmarks import trips  # plays at the tests' table

    return dict(trips.measure())


def _report(options: argparse.Namespace) -> dict[str, object]:
    from benchmarks import report  # needs matplotlib, which only a development environment has

    return report.main()


if __name__ == "__main__":
    main()
