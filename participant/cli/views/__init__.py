"""What people watch: a ceremony, an upload, how a federation stands."""

from participant.cli.views.agent import ServiceLog, agent_facts, show_agent
from participant.cli.views.ceremony import View, link_notices, view_of
from participant.cli.views.key_standing import show_key_standing, standing_facts
from participant.cli.views.plan import plan_lines
from participant.cli.views.speaking import SpeakingGroup, sentence_of
from participant.cli.views.standing import show_loss, show_standing
from participant.cli.views.studies import list_lines, state_of, study_facts, study_lines
from participant.cli.views.terminal import agrees, only_json, say, say_json
from participant.cli.views.terms import show_terms
from participant.cli.views.transfer import Transfer, TransferBar, TransferLines, transfer_view
from participant.cli.views.vigil import Vigil
