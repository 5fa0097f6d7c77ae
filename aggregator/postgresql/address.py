"""Where a board's PostgreSQL is. A password is no part of it: lists of processes show addresses."""

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict

from aggregator.errors import BoardRefused

_SCHEMES = "postgresql://", "postgres://"
_SECRETS = {"password", "sslpassword"}


def read_address(text: str) -> str:
    """The address, as libpq understands it; raises BoardRefused, which never repeats it."""
    if not text.startswith(_SCHEMES):
        raise BoardRefused("the board's address", "address", "it does not begin postgresql://")
    try:
        found = conninfo_to_dict(text)
    except Error:  # what it says may quote a password
        raise BoardRefused("the board's address", "address", "it does not read") from None
    # A password with a slash in it ends up in other parts, and would be quoted from there.
    ports = str(found.get("port") or "").split(",")
    if not all(part.isdecimal() for part in ports if part) or "@" in str(found.get("dbname")):
        raise BoardRefused("the board's address", "address", "it does not read")
    if _SECRETS & found.keys():
        raise BoardRefused("the board's address", "secret", "there is a password in it")
    return text
