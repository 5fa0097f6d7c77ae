"""The hospital's training code: how it is found and called, and what it cannot spoil."""

from participant.app.app import app_of, keep_traceback
from participant.app.calls import App, Config, app_seed, config_of, evaluate, fit
from participant.app.forked import end_workers
from participant.app.pin import hash_of_app
