"""Records in which a study was not kept to: none proposed, too few approved, one withdrew."""

from protocol.messages.plan import Approval, Ending, Plan, Withdrawal
from protocol.messages.rounds import Closing, Opening
from tests.stage.record.good import AGES, Good
from tests.stage.record.story import Said, Story
from tests.stage.record.tampering import AGGREGATOR, LAST, Broken, tampering, told
from tests.stage.studies import STUDY

_CARDIO, _AGES = f"study/{STUDY}", "study/ages"


def _digest(story: Story, study: str) -> bytes:
    return story.body(story.find(study, Approval), Approval).plan


def _say(story: Story, place: int, sender: int, body: Approval | Withdrawal | Ending) -> None:
    """Let a member say something of cardio before what was said at a place."""
    story.insert(place, Said(_CARDIO, sender, body, story.at(place).time_ms))


@tampering
def round_of_a_study_that_nobody_proposed(made: Good) -> Broken:
    story = made.story.until(AGES)
    story.said = [one for one in story.said if one.session != _AGES]
    del story.said[story.find(AGES, Opening) :]
    return told(story, "7.1", story.find(AGES, Opening), is_failure=False)


@tampering
def plan_changed_after_the_approvals(made: Good) -> Broken:
    """What was approved is not what is there, so that nobody has approved what was opened."""
    story = made.story.until(AGES)
    place = story.find(_AGES, Plan)
    story.alter(place, purpose="Another one.")
    return told(story, "7.2", story.find(AGES, Opening), is_failure=False)


@tampering
def opened_though_too_few_had_approved(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Opening)
    for member in (1, 2):
        _say(story, place, member, Withdrawal(_digest(story, _CARDIO)))
    return told(story, "7.2", place + 2, AGGREGATOR, is_failure=False)


@tampering
def opened_after_the_end(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Opening)
    for member in (1, 2, 3):
        _say(story, place, member, Ending(_digest(story, _CARDIO)))
    return told(story, "7.2", place + 3, AGGREGATOR, is_failure=False)


@tampering
def closed_with_one_that_had_withdrawn(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Closing)
    _say(story, place, 4, Withdrawal(_digest(story, _CARDIO)))
    return told(story, "7.3", place + 1, AGGREGATOR)


@tampering
def closed_after_the_end(made: Good) -> Broken:
    story = made.story.copy()
    place = story.find(LAST, Closing)
    for member in (1, 2, 3):
        _say(story, place, member, Ending(_digest(story, _CARDIO)))
    return told(story, "7.4", place + 3, AGGREGATOR, is_failure=False)
