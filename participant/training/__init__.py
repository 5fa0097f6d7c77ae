"""Training: from the model that all hospitals hold to the next one, round by round."""

from participant.training.journal import Event, Journal, plain_value
from participant.training.outcome import lacking_start
from participant.training.task import TrainingTask
