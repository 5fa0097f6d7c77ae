"""The hospital's training code: how it is found and called, and what it cannot spoil."""

from participant.app.apart import MORE_BYTES, AppApart
from participant.app.app import app_of
from participant.app.calls import App, Config, app_seed, config_of, evaluate, fit
from participant.app.elsewhere import AppElsewhere, Stood
from participant.app.errors_file import keep_traceback
from participant.app.output import Show
from participant.app.pin import hash_of_app
from participant.app.process import CONNECTION, AppFile, AppProcess, reap_left
from participant.app.turns import Turns, TurnsBeside
