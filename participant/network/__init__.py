"""The way to the aggregator: proxies, TLS with a pinned key, sessions that begin again."""

from participant.network.card_task import CardTask
from participant.network.direct import DirectStore
from participant.network.link import Caller, Link, Traffic, open_link
from participant.network.opening import open_store
from participant.network.proxy import SYSTEM
from participant.network.session import Notices, Session
from participant.network.status import ask_aggregator, entries_seen, local_facts
