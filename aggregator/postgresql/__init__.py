"""A board in PostgreSQL, which several processes may serve, one at a time: who leads and writes.

It needs the extra ``postgresql``, so that nothing imports this chapter before it is asked for.
"""

from aggregator.postgresql.address import read_address
from aggregator.postgresql.candidate import Candidate
from aggregator.postgresql.stored import Leader, to_read, who_leads
