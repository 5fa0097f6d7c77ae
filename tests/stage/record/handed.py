"""The record of a federation that hands its key over: in vain, then anew, then to successors.

Four hospitals with a key, and a study. Round 1 is under the first epoch. In the first attempt to
refresh the key H1 commits and never deals, so it is given up. The second makes epoch 2, and round 2
is under it. Then the key goes to other members: H4 leaves, and G1 and G2 join.
"""

import dataclasses
from functools import cache

from protocol.messages.handover import Content
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.record.good import MEMBERS, PACKED, QUORUM, ROUND, state, story_at, train
from tests.stage.record.story import Story
from tests.stage.studies import training_study
from tests.stage.toy import Table, ToyEpoch, toy_epoch

DEAD, REFRESH, SUCCESSION = "handover/1", "handover/2", "handover/3"
SILENT = 1  # in the first attempt


@cache
def handed_over() -> Story:
    """The story; made once."""
    return story_at(succession().table)


@cache
def succession() -> PostedHandover:
    """The last handover, with all that comes before it on the board."""
    toy = toy_epoch(len(MEMBERS), QUORUM)
    table = copied(toy)
    table.now_ms, table.tick_ms = 0, 1_000
    start(table)
    train(at(table, toy), ROUND[1], PACKED)
    PostedHandover(table, toy.secrets, MEMBERS, QUORUM, tamper=_silent).run()
    refresh = PostedHandover(table, toy.secrets, MEMBERS, QUORUM).run()
    epoch, secrets = refresh.new_epoch, refresh.new_secrets()
    train(at(table, dataclasses.replace(toy, epoch=epoch, secrets=secrets)), ROUND[2], PACKED)
    return PostedHandover(table, secrets, ["G1", 3, 1, 2, "G2"], QUORUM).run()


def at(table: Table, toy: ToyEpoch) -> ToyEpoch:
    """A key whose rounds are at this table."""
    return dataclasses.replace(toy, table=table)  # type: ignore[arg-type]


def start(table: Table) -> None:
    """A study that all approve, and the model that it begins with."""
    table.found(training_study(table.federation.terms))
    state(table, ROUND[0], bytes([1]) * 32, PACKED)


def _silent(handed: PostedHandover, sender: int, content: Content) -> Content | None:
    is_dealing = handed.view.attempt.is_committed and not handed.view.attempt.outcome
    return None if sender == SILENT and is_dealing else content
