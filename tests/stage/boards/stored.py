"""What a board in PostgreSQL holds, for a test that looks into it."""

from aggregator.postgresql import to_read
from aggregator.store import NO_END, in_order


def stored_entries(address: str, federation: bytes) -> list[bytes]:
    """The entries of a federation, none if there is no board; raises as ``to_read`` does."""
    with to_read(address, federation) as tables:
        return list(in_order(tables.rows(0, NO_END), 0))
