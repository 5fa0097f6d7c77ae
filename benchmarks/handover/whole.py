"""A handover between whole processes over TLS websockets, the aggregator included.

All hospitals type the command at once, on one machine, whose cores they share. The key comes from a
dealer (``benchmarks.handover.dealt_key``). Everything after that is what hospitals run. Passphrases
are derived at their real cost.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.handover.clock import Clock
from benchmarks.handover.dealt_key import put_key
from benchmarks.timing import spread
from examples.demo.processes import Hospital, aggregator, at_work, finish, signed, wait_for
from examples.demo.stored import stored_board, stored_entries
from participant.home import Membership, Passphrase, enter, read_signed_terms
from protocol.board import Board, Entry, decode_entry
from protocol.encoding import encode
from protocol.handover import word_of
from protocol.messages import Said
from protocol.terms import parse

_LIMIT_SECONDS = 600
_BESIDE_CONSENTS = "arrive"  # both wait for the proposal alone


class Sizes(NamedTuple):
    """A quorum of so many members."""

    quorum: int
    n_members: int

    @classmethod
    def read(cls, text: str) -> "Sizes":
        """``3/5``; raises ValueError for anything else."""
        quorum, n_members = map(int, text.split("/"))
        return cls(quorum, n_members)


@dataclass(frozen=True)
class Run:
    """One handover; times in seconds.

    words: from the proposal on the board to the last word. together: the same from where all have
    consented and arrived. whole: from the first command's start to the last one's end. member_cpu:
    of one hospital's process, the mean of all. others: cores that other programs had meanwhile.
    """

    words: float
    together: float
    whole: float
    member_cpu: float
    aggregator_cpu: float
    others: float
    board_bytes: int
    share_bits: tuple[int, int]
    steps: dict[str, float]


def measure(sizes: Sizes, bits: int, runs: int) -> dict[str, Any]:
    """A refresh in a fresh federation, so many times."""
    found = []
    for number in range(runs):
        with tempfile.TemporaryDirectory(prefix="quorate-handover-") as name:
            found.append(run_once(Path(name), sizes, bits))
        last = found[-1]
        print(f"run {number + 1}: {last.words:.2f} s of {last.whole:.2f} s", flush=True)
    return {
        "quorum": sizes.quorum,
        "members": sizes.n_members,
        "bits": bits,
        "runs": runs,
        "seconds": spread([run.words for run in found]),
        "seconds_together": spread([run.together for run in found]),
        "seconds_of_processes": spread([run.whole for run in found]),
        "cpu_seconds_of_a_member": spread([run.member_cpu for run in found]),
        "cpu_seconds_of_the_aggregator": spread([run.aggregator_cpu for run in found]),
        "cores_of_others": spread([run.others for run in found]),
        "bytes_on_board": max(run.board_bytes for run in found),
        "board_rounds": board_rounds(found[-1].steps),
        "share_bits": found[-1].share_bits,
        "steps": found[-1].steps,
    }


def run_once(folder: Path, sizes: Sizes, bits: int) -> Run:
    """One refresh; the aggregator is up before the first hospital starts."""
    settings = {
        "--name": "Handover", "--quorum": str(sizes.quorum), "--key-bits": str(bits),
    }  # fmt: skip
    hospitals = signed(folder, sizes.n_members, settings)
    file = folder / "federation.toml"
    terms = parse(file.read_text()).terms
    stored = folder / "aggregator" / terms.federation.hex()[:16]
    members = [_member(hospital, file) for hospital in hospitals]
    put_key(terms, members, stored)
    before = _longest_share(members)
    known = len(stored_entries(stored))
    with aggregator(file, folder / "aggregator", folder / "aggregator.log") as service:
        wait_for("the aggregator", (folder / "aggregator.log").read_text, [service], 30)
        clock = Clock(service.pid)
        with at_work(hospitals, folder, "key", "refresh", str(file), "--json") as processes:
            finish(processes, "the refresh", _LIMIT_SECONDS)
        whole, spent, served, others = clock.read()
    board = stored_board(stored, terms)
    words = [decode_entry(data) for data in stored_entries(stored)[known:]]
    steps = _steps(board, words)
    return Run(
        max(steps.values()),
        max(steps.values()) - max(steps["consent"], steps["arrive"]),
        whole,
        spent / len(hospitals),
        served,
        others,
        sum(len(encode(entry)) for entry in words),
        (before, _longest_share(members)),
        steps,
    )


def board_rounds(steps: Iterable[str]) -> int:
    """How often somebody waits for what others say, after the proposal."""
    return len(set(steps) - {_BESIDE_CONSENTS})


def _steps(board: Board, words: Sequence[Entry]) -> dict[str, float]:
    """When the last word of each step came, in seconds after the proposal."""
    found, began = dict[str, float](), words[0].time_ms
    for entry in words:
        body = board.entries[entry.position - 1].post.body
        if isinstance(body, Said):
            found[word_of(body).value] = (entry.time_ms - began) / 1000
    return found


def _member(hospital: Hospital, file: Path) -> Membership:
    return enter(read_signed_terms(file), hospital.home, Passphrase(hospital.passphrase))


def _longest_share(members: Sequence[Membership]) -> int:
    """In bits, of the newest shares."""
    shares = (member.held_key().secret.secret_share() for member in members)
    return max(int(abs(share.value).bit_length()) for share in shares)
