"""The records of three federations: each but the first took the key over from the one before."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from tests.stage.handover.inherited import InheritedKey
from tests.stage.handover.posted import PostedHandover
from tests.stage.record.handed import handed_over, succession
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, said_at, write


@dataclass(frozen=True)
class Chained:
    """oldest: of the ceremony. middle, newest: of those that took the key over, in their order."""

    oldest: Story
    middle: Story
    newest: Story

    def files(self, *stories: Story) -> Sequence[MemoryFiles]:
        """Records, newest first; of these stories, or of all."""
        return [write(one).files for one in stories or (self.newest, self.middle, self.oldest)]


@cache
def chained() -> Chained:
    """The stories; made once. The middle federation refreshes its key before it hands it over."""
    first = InheritedKey(succession())
    first.table.tick_ms = 1_000
    first.say_all()
    members = list(first.federation.members)
    refresh = PostedHandover(first.table, succession().new_secrets(), members, 3).run()
    second = PostedHandover(first.table, refresh.new_secrets(), [1, 2, 3, "G3"], 3).run()
    last = InheritedKey(second).say_all()
    return Chained(handed_over(), _story(first), _story(last))


def _story(inherited: InheritedKey) -> Story:
    table = inherited.table
    return Story(table.federation, said_at(table), table.blobs, tuple(table.federation.members))
