"""A hospital's studies: the file of a plan, and what it approves of it."""

from participant.study.plan_file import read_plan, write_plan
