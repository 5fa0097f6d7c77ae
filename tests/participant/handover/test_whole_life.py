"""One key in two federations: made, handed over, used under another quorum, refreshed, used."""

from decimal import Decimal

import pytest

from participant.rounds.task import DecryptionTask
from participant.statistic.numbers import Numbers
from participant.statistic.task import StatisticTask
from protocol.board.draft import Draft
from protocol.errors import Refused
from protocol.key.epoch import HeldKey
from protocol.messages.inherited_sums import InheritedPart
from protocol.messages.rounds import Partial
from protocol.record.audit.checks import audit
from protocol.record.files import is_recorded
from tests.stage.handover.inherited import SESSION, InheritedKey
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.record.memory import MemoryFiles, files_of
from tests.stage.rounds.round_table import KeyedTable, RoundTable
from tests.stage.studies import statistic_study
from tests.stage.toy import Table, ToyEpoch, number_secret, toy_epoch

OLD = toy_epoch(3, 2)


class NewBoard(RoundTable):
    """The new federation's hospitals at their own board; rounds are opened under its epoch."""

    def add(self, study: str, *members: int) -> dict[int, list[Decimal]]:
        """Members contribute their numbers to a statistic; what each one then reads of it."""
        session = f"study/{study}/1"
        for i in members:
            given = Numbers("numbers.csv", (Decimal(i), Decimal(10 * i)))
            task = StatisticTask(
                self.terms, study, self.ring(i), given, self.disks[i], number_secret(i)
            )
            self.seat(i, task)
        self.open(session)
        self.settle()
        self.close(session)
        tasks = {}
        for i in self.toy.federation.members:
            place = self.terms, study, 1, self.ring(i), self.disks[i]
            tasks[i] = DecryptionTask(*place, lambda question: True)
            self.seat(i, tasks[i])
        self.settle()
        return {i: task.sums or [] for i, task in tasks.items()}

    def parts(self, study: str) -> set[int]:
        said = self.board.session(f"study/{study}/1")
        return {p.post.sender for p in said if isinstance(p.post.body, Partial)}

    def move_to(self, toy: ToyEpoch) -> None:
        """Every vault has the share of this epoch alone."""
        self.toy = toy
        for i in toy.federation.members:
            ring = self.ring(i)
            self.held[i][:] = [HeldKey(toy.epoch, toy.secrets[i])]
            ring.renew()


@pytest.fixture(scope="module")
def handed() -> PostedHandover:
    """From 2 of 3 to 3 of 4: H2 leaves, G1 and G2 join as guests."""
    found = PostedHandover(copied(OLD), OLD.secrets, ["G1", 3, 1, "G2"], 3).run()
    assert found.view.attempt.is_settled
    return found


def test_a_key_goes_on_on_the_board_of_the_federation_that_takes_it_over(
    handed: PostedHandover,
) -> None:
    inherited = InheritedKey(handed)
    toy = inherited.toy
    terms = toy.federation.terms
    table = NewBoard(toy, statistic_study(terms))
    everybody = list(toy.federation.members)

    assert table.board.epoch is None
    for i in everybody:
        table.say(i, Draft(SESSION, inherited.word))
    assert table.board.epoch == handed.new_epoch
    assert table.board.epoch.n == OLD.epoch.n

    found = table.add("age", *everybody)
    assert found == {i: [Decimal(10), Decimal(100)] for i in everybody}
    assert len(table.parts("age")) >= terms.quorum == 3

    refresh = PostedHandover(table, toy.secrets, everybody, terms.quorum).run()
    assert refresh.view.attempt.is_settled
    secrets = refresh.new_secrets()
    table.move_to(ToyEpoch(toy.federation, refresh.new_epoch, secrets, toy.table))
    assert table.board.epoch == refresh.new_epoch
    numbers = [known.epoch.number for known in table.board.key.epochs]
    assert numbers == [OLD.epoch.number + 1, OLD.epoch.number + 2]

    again = statistic_study(terms, name="weight", data="weights")
    table.found(again)
    found = table.add("weight", *everybody)
    assert found == {i: [Decimal(10), Decimal(100)] for i in everybody}

    record, older = files_at(table), files_at(handed.table)
    checked = audit(record, bytes(32), terms.federation, older=[older])
    assert checked.holds, [(r.number, r.failures) for r in checked.results if r.failures]


class OldBoard(KeyedTable, NewBoard):
    """The same, at the board on which the key was made."""


def test_a_statistic_of_the_new_federation_is_compared_with_those_of_the_old_one() -> None:
    old = OldBoard(OLD, statistic_study(OLD.federation.terms))
    assert old.add("age", 1, 2, 3)[1] == [Decimal(6), Decimal(60)]
    handed = PostedHandover(old, OLD.secrets, ["G1", 3, 1, "G2"], 3).run()
    inherited = InheritedKey(handed)
    table = NewBoard(inherited.toy, statistic_study(inherited.toy.federation.terms))
    for i in inherited.toy.federation.members:
        table.say(i, Draft(SESSION, inherited.word))
    table.say(2, Draft(SESSION, InheritedPart(0, inherited.parts[0])))
    with pytest.raises(Refused) as raised:
        table.add("age", 1, 2, 3)
    assert raised.value.rule == "differencing"
    assert "with the sum of age/1 (taken over, 1) it shows what G1, H2 alone" in raised.value.reason


def files_at(table: Table) -> MemoryFiles:
    """The record of all that was said at a table."""
    members = table.federation.members
    blobs = {
        attachment.digest: table.blobs[attachment.digest]
        for posted in table.board.entries
        for attachment in posted.attachments
        if is_recorded(attachment, is_aborted=False)
    }
    return files_of(table.federation, table.entries, blobs, members)
