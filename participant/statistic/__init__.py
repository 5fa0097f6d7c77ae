"""Statistics: a hospital's numbers, and whether they fit what was asked for."""

from participant.statistic.number_files import FILE_LIMIT, number_file, numbers_in, read_numbers
from participant.statistic.numbers import Numbers, numbers_of
from participant.statistic.phe_files import joint_key_jwk
from participant.statistic.task import StatisticTask
