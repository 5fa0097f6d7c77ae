"""Studies as a hospital deals with them: proposing, approving, withdrawing, ending, listing.

``plan_file`` reads and writes a plan. ``rules`` has what every task asks before it contributes or
opens. ``app_source`` and ``approval`` say which app is run, and no other.
"""

from participant.study.app_source import GivenApp, Surroundings, given_app
from participant.study.approval import (
    KeptApproval,
    approval_name,
    check_app,
    is_agreed,
    kept_approval,
)
from participant.study.contributed import Kept, note_contributed
from participant.study.earlier import Earlier, earlier_rounds, has_contributed, representatives
from participant.study.listing import ListingTask, Phase, StudyStanding, standing_of
from participant.study.plan_file import read_plan, write_plan
from participant.study.rules import (
    ended_by_votes,
    find_study,
    require_contributing,
    require_kind,
    require_member,
    require_opening,
)
from participant.study.tasks import (
    ApprovalTask,
    EndingTask,
    ProposalTask,
    StudyTask,
    WithdrawalTask,
)
