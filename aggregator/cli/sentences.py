"""What each error says to the aggregator's operator: what went wrong, and what to do about it."""

from collections.abc import Callable, Mapping

from aggregator.cards import BadAddress
from aggregator.errors import (
    AggregatorError,
    AnotherAggregator,
    AnotherCertificate,
    AnotherFederation,
    BlobsRefused,
    BoardRefused,
    LeadLost,
    NoBoard,
    NotYetReady,
    StoppedWaiting,
    StoreAway,
    StoreDamaged,
    StoreFull,
    SumsRefused,
    UnfitTerms,
)
from aggregator.identity import BadHost, IdentityExists, NoIdentity
from aggregator.server import CannotListen
from aggregator.store import AlreadyRunning
from protocol.errors import BadTerms, Fork, ProtocolError, UnfitRecord, WrongKind
from protocol.programs.refusals import remedy_for
from protocol.words import lacking, pasted


def sentences(error: AggregatorError | ProtocolError) -> tuple[str, str]:
    """What went wrong and for whom; and what to do about it."""
    for kind, sentence in SENTENCES.items():
        if isinstance(error, kind):
            return sentence(error)
    return str(error), "This should not have happened. Please report it."


def _unfit_terms(error: UnfitTerms) -> tuple[str, str]:
    if isinstance(error.error, str):
        return (
            f"The terms {error.path} cannot be read: {error.error}.",
            "Give the federation.toml that all members have signed.",
        )
    if isinstance(error.error, BadTerms):
        return (
            f"The terms {error.path} are not valid: {error.error.field}: {error.error.reason}.",
            "Correct the file, and have all members sign it.",
        )
    lacks = lacking(error.error.missing, error.error.wrong)
    return (
        f"The terms {error.path} are not signed by all: {lacks}.",
        f"Have them sign this very file with: quorate-participant terms sign {pasted(error.path)}",
    )


_WANTED = {  # by what a file or folder is to be: its name, and where one gets it
    "terms": (
        "the terms of a federation",
        "Give the federation.toml that all members have signed.",
    ),
    "data": (
        "the aggregator's data folder",
        "Give the folder that quorate-aggregator init made, or is to make, as --data.",
    ),
    "record": ("the folder of a record", "Give a new folder, or that of the record, as --out."),
}


def _wrong_kind(error: WrongKind) -> tuple[str, str]:
    name, remedy = _WANTED.get(error.wanted, ("what belongs there", "Give another path."))
    return f"{error.path} is {error.found}, not {name}.", remedy


def _another(error: AnotherAggregator) -> tuple[str, str]:
    return (
        f"The terms name another aggregator: {error.path} does not fit federation.aggregator_key.",
        "Give the --data folder whose card went into the terms. Or make new terms with this card, "
        "and have all members sign them.",
    )


def _another_certificate(error: AnotherCertificate) -> tuple[str, str]:
    return (
        f"Card {error.number} pins the TLS key of another certificate than {error.path}.",
        "Give the certificate that the card pins as --tls-cert and --tls-key.",
    )


def _cannot_listen(error: CannotListen) -> tuple[str, str]:
    if error.in_use:
        return (
            f"Port {error.port} on {error.host} is taken by another process.",
            "Stop that process, or give another --port that members' connections are led to.",
        )
    return (
        f"Cannot listen on {error.host} port {error.port}: {error.reason}.",
        "If this machine does not have that address itself, listen on all: --host 0.0.0.0",
    )


def _unfit_record(error: UnfitRecord) -> tuple[str, str]:
    if error.member:
        return (
            f"{error.path} is no countersignature of member {error.member}: {error.reason}.",
            "Ask that member for it again, or take the file away.",
        )
    return (
        f"The folder does not hold a record of these terms: {error.path}: {error.reason}.",
        "Nothing was changed there. Give another folder as --out, or move that one away.",
    )


def _store_damaged(error: StoreDamaged) -> tuple[str, str]:
    elsewhere = "If its board is in PostgreSQL, name that with --board. Otherwise restore"
    return (
        f"What is stored is damaged: {error.what}: {error.reason}. The service does not go on with "
        "it.",
        f"{elsewhere if error.position == 1 else 'Restore'} the data folder from a backup that is "
        "not older than the last post, then start again. Members wait meanwhile. No key share and "
        "no model is lost.",
    )


def _store_full(error: StoreFull) -> tuple[str, str]:
    remedy = remedy_for(error.number)
    return (
        f"{error.path}: {error.reason}.",
        f"{remedy[:1].upper()}{remedy[1:]}, then start again. Nothing acknowledged is lost.",
    )


_PGPASS = "in the file ~/.pgpass (HOST:PORT:DATABASE:USER:PASSWORD, mode 0600), or in PGPASSWORD"
_OF_A_DATABASE = {  # by its kind: what went wrong, and what to do about it
    "address": (
        "What --board names is no address: {reason}.",
        "Give it as --board postgresql://USER@HOST:PORT/DATABASE",
    ),
    "secret": (
        "The address of the board has a password in it, which lists of processes would show.",
        f"Leave it out. PostgreSQL's library finds it {_PGPASS}. Change a password that was shown.",
    ),
    "extra": (
        "A board in PostgreSQL needs more than is installed: {reason}.",
        "Install it into the same environment: pip install 'quorate-fl[postgresql]'",
    ),
    "connection": (
        "{place} cannot be reached: {reason}.",
        "Start PostgreSQL, or correct --board. Nothing acknowledged is lost.",
    ),
    "login": (
        "{place} lets nobody in by this name: {reason}.",
        f"Give the user in --board, and the password {_PGPASS}.",
    ),
    "missing": (
        "{place} cannot be used: {reason}.",
        "Make the database with: createdb -O USER DATABASE. Or correct --board.",
    ),
    "rights": (
        "The user in --board has too few rights in {place}: {reason}.",
        "Let it own the database: ALTER DATABASE name OWNER TO user",
    ),
    "release": (
        "{place} is too old: {reason}.",
        "Use PostgreSQL 14 or later, which ends silent sessions.",
    ),
    "format": (
        "{place} holds no board that this release reads: {reason}. Nothing was changed there.",
        "Use the release of quorate that made it. Or begin another board: --board with another "
        "database, or --data with another folder.",
    ),
    "federation": (
        "{place} holds the board of another federation, {reason}. Nothing was changed there.",
        "Give each federation a database of its own as --board, or this one's federation.toml.",
    ),
}


_KEYS = "in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of gs and az)"
_OF_BLOBS = {  # by its kind: what went wrong, and what to do about it
    "address": (
        "What --blobs names is no bucket: {reason}.",
        "Give it as --blobs s3://BUCKET/PREFIX, or with gs:// or az://",
    ),
    "secret": (
        "The address of the blobs has more in it than a bucket and a prefix. If those are keys, "
        "lists of processes would show them.",
        f"Give it as --blobs s3://BUCKET/PREFIX. Keys are found {_KEYS}. Change those that were "
        "shown.",
    ),
    "extra": (
        "Blobs in {place} need more than is installed: {reason}.",
        "Install it into the same environment: pip install 'quorate-fl[objects]'",
    ),
    "plain": (
        "Blobs in {place} are refused: {reason}. Whoever stands in between could read and change "
        "what goes there.",
        "Name the server as https:// in AWS_ENDPOINT_URL.",
    ),
    "connection": (
        "{place} cannot be used: {reason}.",
        "See that the object store runs and that this machine reaches it, and correct --blobs or "
        "AWS_ENDPOINT_URL. Nothing acknowledged is lost.",
    ),
    "login": (
        "{place} lets nobody in by these credentials: {reason}.",
        f"Give valid ones {_KEYS}, or let the machine have a role.",
    ),
    "missing": (
        "{place} cannot be used, since there is no such bucket: {reason}.",
        "Make the bucket, or correct --blobs.",
    ),
    "rights": (
        "These credentials have too few rights in {place}: {reason}.",
        "Let them read, write, list and delete objects below it.",
    ),
    "region": (
        "{place} is in another region: {reason}.",
        "Name the bucket's region in AWS_REGION.",
    ),
    "elsewhere": (
        "The blobs of this federation are in {place}: {reason}. Nothing was changed.",
        "Serve it with --blobs as it was, or without where they are in the data folder. If all of "
        "them were copied to another place, write its address into the file blobs-at.",
    ),
}


_OF_SUMS = {  # by its kind: what went wrong, and what to do about it
    "address": (
        "What --sums names is no address of a scheduler: {place}: {reason}.",
        "Give it as --sums tls://HOST:PORT",
    ),
    "plain": (
        "Sums at {place} are refused: {reason}. Whoever speaks with a scheduler can run programs "
        "on its workers.",
        "Give it as --sums tls://HOST:PORT with --sums-ca, --sums-cert and --sums-key.",
    ),
    "certificates": (
        "Sums at {place} need certificates: {reason}.",
        "Give PEM files as --sums-ca, --sums-cert and --sums-key.",
    ),
    "extra": (
        "Sums at {place} need more than is installed: {reason}.",
        "Install it into the same environment: pip install 'quorate-fl[dask]'",
    ),
}


def _by_kind(
    texts: Mapping[str, tuple[str, str]],
) -> Callable[[BoardRefused | BlobsRefused | SumsRefused], tuple[str, str]]:
    """What is said of an error whose ``kind`` is one of these."""

    def said(error: BoardRefused | BlobsRefused | SumsRefused) -> tuple[str, str]:
        what, remedy = texts[error.kind]
        text = what.format(place=error.place, reason=error.reason)
        is_words = text.startswith("the ")  # and no path, which is as it is
        return (text[:1].upper() + text[1:] if is_words else text), remedy

    return said


SENTENCES: dict[type[Exception], Callable[..., tuple[str, str]]] = {
    UnfitTerms: _unfit_terms,
    WrongKind: _wrong_kind,
    AnotherAggregator: _another,
    AnotherCertificate: _another_certificate,
    CannotListen: _cannot_listen,
    AnotherFederation: lambda e: (
        f"The service running on this folder serves {e.served} under other terms.",
        "Give the federation.toml that it was started with.",
    ),
    NotYetReady: lambda e: (
        "The service is starting and has not reported yet.",
        "Ask again in a few seconds. If it goes on so, its disk may be full: see its log.",
    ),
    AlreadyRunning: lambda e: (
        f"{e.path.parent} is in use by process {e.pid} (quorate-aggregator {e.command})."
        if e.pid is not None
        else f"{e.path.parent} is in use by another process.",
        "Stop that process first, or give another --data folder. If its board is in PostgreSQL, "
        "name that with --board.",
    ),
    IdentityExists: lambda e: (
        f"{e.path} is there already, and is never overwritten.",
        "Use it as it is, or give another --data folder.",
    ),
    NoIdentity: lambda e: (
        f"{e.path} does not give {e.what}: {e.reason}.",
        "Give the right --data folder (or --tls-cert and --tls-key), or make one with: "
        "quorate-aggregator init --host HOST",
    ),
    BadHost: lambda e: (
        f"{e.host!r} is neither a host name nor an address.",
        "Give --host without scheme, port or path, such as aggregator.example.org",
    ),
    BadAddress: lambda e: (
        f"No card can have that {e.field}: {e.reason}.",
        "Give another one. Nothing was written.",
    ),
    StoreDamaged: _store_damaged,
    NoBoard: lambda e: (
        f"Nothing is stored of this federation: there is no board in {e.folder}.",
        "Give the --data folder that the service was started with, and the same federation.toml.",
    ),
    BoardRefused: _by_kind(_OF_A_DATABASE),
    BlobsRefused: _by_kind(_OF_BLOBS),
    SumsRefused: _by_kind(_OF_SUMS),
    LeadLost: lambda e: (
        f"This process no longer leads: {e.place}: {e.reason}.",
        "Start it again: it stands by until it may lead. Nothing acknowledged is lost.",
    ),
    StoppedWaiting: lambda e: (
        "It was stopped while it stood by.",
        "Start it again to have it stand by. Nothing was changed.",
    ),
    UnfitRecord: _unfit_record,
    Fork: lambda e: (
        f"The record has forked from this board at entry {e.position}: {e.reason}.",
        "Nothing was changed there. Compare the heads with the members': either the data folder is "
        "an older copy, which a backup must replace, or somebody has shown two boards.",
    ),
    StoreAway: lambda e: (
        f"{e.path}: {e.reason}.",
        "See that the object store runs, and that this machine reaches it with its credentials. "
        "Nothing acknowledged is lost.",
    ),
    StoreFull: _store_full,
}
