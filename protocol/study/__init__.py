"""A study as people write it: the file of a plan, which they read, edit and send each other."""

from protocol.study.plan_file import parse_plan, read_start, render_plan
