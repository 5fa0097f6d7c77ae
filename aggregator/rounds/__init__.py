"""A round at the aggregator: when it opens and closes, and the sum of what was contributed.

``schedule`` decides by the board and the clock alone. ``summing`` judges, adds and closes in small
steps, so that no member waits for another's round. ``stated`` knows who may still need a round's
vectors, and ``pruning`` deletes the others'.
"""

from aggregator.rounds.hybrid import HybridRound
from aggregator.rounds.omission import Reason
from aggregator.rounds.pruning import Pruning
from aggregator.rounds.schedule import Rounds
from aggregator.rounds.stated import CourseState
from aggregator.rounds.summation import InProcess, Summation
from aggregator.rounds.summing import Summing
from aggregator.rounds.vector_sum import Vector, VectorSum, folder_of_sum, remove_sums
