"""The long board that is measured is one that hospitals and an aggregator could have made."""

import sys

import pytest

from aggregator.identity import load_key
from aggregator.record import RecordOutput
from aggregator.record.export import export
from aggregator.server import Aggregator
from benchmarks.long_board import agent, aggregator, rounds, vectors
from benchmarks.long_board.cost import CommandFailed, cost_of
from benchmarks.long_board.generator import PASSPHRASE, copied, long_board
from benchmarks.long_board.rounds import STUDY, LongTable
from participant.agent import load_checkpoint
from participant.home import Passphrase, enter, read_signed_terms
from protocol.messages import Contribution, Statement
from protocol.record import RecordFiles
from protocol.record.audit import audit
from tests.stage.record.story import Story, files_of, said_at
from tests.stage.toy import CeremonyTable, finished, toy_federation

ROUNDS = 3


def findings_in(files: RecordFiles) -> set[str]:
    """The checks that have found anything; none of them may have failed."""
    found = audit(files, bytes(32))
    assert found.holds, [r for r in found.results if r.failures]
    return {result.number for result in found.results if result.findings}


def test_nothing_is_wrong_with_the_rounds_that_are_made() -> None:
    toy = finished(CeremonyTable(toy_federation(5, 3)).run())
    with LongTable.of(toy, ROUNDS, 1) as table:
        table.begin()
        for number in range(1, ROUNDS + 1):
            table.play(number)
        story = Story(toy.federation, said_at(table), table.blobs, tuple(toy.federation.members))
        files = files_of(story, table.entries)
        last = table.board.session(f"study/{STUDY}/{ROUNDS}")
    assert findings_in(files) == set()
    assert sum(isinstance(posted.post.body, Contribution) for posted in last) == 5
    assert isinstance(last[-1].post.body, Statement)


@pytest.mark.slow  # passphrases are derived at their real cost
def test_an_aggregator_and_agents_go_on_where_the_board_ends(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rounds, "KEPT", 1)
    made = long_board(ROUNDS, tmp_path)
    file = read_signed_terms(made.terms)
    service = Aggregator(file.terms, load_key(made.data), made.stored, lambda: 0)
    head = service.board.head
    assert head.position > 22 * ROUNDS
    for hospital in made.hospitals:
        member = enter(file, hospital.home, Passphrase(PASSPHRASE))
        assert load_checkpoint(member.storage) == head
        assert member.held_key().epoch == service.epoch
    output = RecordOutput(tmp_path / "record")
    export(made.stored, file.terms, file.signatures, output, lambda what, done, total: None)
    assert findings_in(output) == {"2.5"}  # nobody has countersigned its end
    before = (made.folder / "federation.toml").read_bytes()
    assert long_board(ROUNDS, tmp_path) == made  # as it is
    service.close()
    with copied(made) as copy:
        found = vectors.measure(copy)
        costs = aggregator.measure(copy)
    costs |= (agents := agent.measure(made))
    assert all(all(cost.values()) for cost in costs.values())
    whole, new = (agents[f"train, {what}"]["bytes_down"] for what in ("first start", "start again"))
    assert new < whole / 2
    assert found["blob_bytes_a_round_after"] < found["blob_bytes_a_round_before"]
    assert (made.folder / "federation.toml").read_bytes() == before


def test_a_cost_is_that_of_all_processes_of_a_command() -> None:
    work = "x = bytearray(1) * (60 << 20); import time; time.sleep(0.5)"
    alone = cost_of([sys.executable, "-c", work])
    assert alone.peak_mib > 60
    child = f"p = subprocess.Popen([sys.executable, '-c', {work!r}])"
    both = f"import subprocess, sys; {child}; {work}; p.wait()"
    assert cost_of([sys.executable, "-c", both]).peak_mib > 120
    with pytest.raises(CommandFailed, match="never"):
        cost_of([sys.executable, "-c", "raise SystemExit('never')"])
