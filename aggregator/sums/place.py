"""Which summation a service has."""

import ssl

from aggregator.errors import SumsRefused
from aggregator.rounds import InProcess, Summation
from aggregator.sums.address import SumsTls, read_place


def summation_at(address: str | None, tls: SumsTls | None) -> Summation:
    """address: of a scheduler, None for this process. Raises SumsRefused.

    A scheduler that cannot be reached is no error: the sums are made here meanwhile.
    """
    if address is None:
        return InProcess()
    place = read_place(address, tls)
    try:
        from aggregator.sums.connection import Connection
        from aggregator.sums.on_dask import OnDask
    except ImportError:
        raise SumsRefused(place, "extra", "distributed is not installed") from None
    if tls is not None:
        _require_readable(place, tls)
    return OnDask(Connection(place, tls))


def _require_readable(place: str, tls: SumsTls) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise SumsRefused(place, "certificates", f"{tls.ca}: {_words(error)}") from None
    try:
        context.load_cert_chain(tls.cert, tls.key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise SumsRefused(
            place, "certificates", f"{tls.cert}, {tls.key}: {_words(error)}"
        ) from None


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "it does not read as PEM, or the key is another certificate's"
    return (getattr(error, "strerror", None) or str(error)).lower()
