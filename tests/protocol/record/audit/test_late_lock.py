"""A liar locks another set while hospitals lock this one: nobody's record fails for it."""

from protocol.messages.rounds import Partial, SetLock
from protocol.record.audit.checks import audit
from protocol.record.audit.results import Status
from tests.stage.record.good import good, once_more
from tests.stage.record.memory import MemoryFiles
from tests.stage.record.story import Story, write

LIAR = 4


def singled_out(known_to: int) -> Story:
    """Two sums that single H4 out; the first has one lock, before so many lock the second."""
    story = once_more(good(), remembering=False)
    lock = story.at(story.find("study/cardio/3", SetLock, LIAR))
    story.said = [
        one
        for one in story.said
        if one.session != "study/cardio/3" or not isinstance(one.body, SetLock | Partial)
    ]
    story.insert(story.find("study/cardio/4", SetLock, nth=3 - known_to), lock)
    return story


def differences(story: Story) -> Status:
    report = audit(MemoryFiles(write(story).files), b"n" * 32)
    return next(result.status for result in report.results if result.number == "6.3")


def test_what_too_few_could_know_when_they_locked_is_a_finding() -> None:
    assert differences(singled_out(known_to=1)) == Status.FINDING


def test_what_more_than_may_be_lying_knew_is_a_failure() -> None:
    assert differences(singled_out(known_to=2)) == Status.FAILED
