"""A hospital's agent as a service: it stays, does what is due by itself, and serves commands."""

from participant.service.course import TaskAt
from participant.service.due import Due, due_tasks
from participant.service.notify import Notifier
from participant.service.service import Chronicle, Service
from participant.service.trainings import Apps
