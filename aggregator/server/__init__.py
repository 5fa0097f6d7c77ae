"""The service: connections on one side, the board and its rounds on the other.

``service`` is the aggregator without sockets: frames in, frames out. ``server`` is the shell of
websockets around it, and ``entrance`` and ``door`` say who may come in.
"""

from aggregator.server import service
from aggregator.server.aggregation import Aggregation
from aggregator.server.descriptors import raise_limit
from aggregator.server.server import CannotListen
from aggregator.server.service import Aggregator
