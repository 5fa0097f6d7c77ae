"""What the errors on the way to the aggregator say to people, and to an agent that runs."""

from participant import errors
from participant.cli.sentences.sentence import COMMAND, Context, Said, Sentence, plain
from participant.network import SYSTEM
from protocol import errors as protocol_errors
from protocol.words import pasted

_ASK_OPERATOR = "ask its operator whether it runs: quorate-aggregator serve"


def _unreachable(e: errors.Unreachable, c: Context) -> Sentence:
    what = f"the aggregator at {e.url} is not reachable: {e.reason}"
    return Sentence(what, e.remedy or _ASK_OPERATOR)


def _foreign_aggregator(e: errors.ForeignAggregator, c: Context) -> Sentence:
    what = f"the aggregator at {e.url} serves other terms than"
    if c.old is not None:
        return Sentence(
            f"{what} {c.old}, on whose board the key is handed over",
            f"ask its operator to serve {c.old} until this hospital is done. If the key share for "
            f"{c.file} is here already, go on with that: {COMMAND} key status {c.here}",
        )
    if c.terms is not None and c.terms.takes_over_key:
        return Sentence(
            f"{what} {c.file}",
            "ask its operator to serve these once the key is handed over: "
            f"quorate-aggregator serve {c.pasted}",
        )
    return Sentence(
        f"{what} {c.file}",
        "ask its operator, or the coordinator, for the federation.toml that it serves",
    )


def _wrong_certificate(e: errors.WrongCertificate, c: Context) -> Sentence:
    return Sentence(
        f"the server at {e.url} is not the aggregator: its TLS key is "
        f"{e.found.hex()[:16] or 'unreadable'}…{e.about}. "
        f"The aggregator's card pins {e.expected.hex()[:16]}…",
        "nothing was sent. If the aggregator has moved, take its newer card: "
        f"{COMMAND} address {c.pasted} --take aggregator.toml. "
        "If the certificate names this hospital's network, or a firewall, a box on the way "
        "inspects TLS: ask its administrators to leave this address out. If not, ask the "
        "aggregator's operator, and go on only with the pinned key",
    )


def _bad_proxy(e: errors.BadProxy, c: Context) -> Sentence:
    variable = "HTTPS_PROXY" if e.source == SYSTEM else e.source
    verb = "set another" if e.source == SYSTEM else "correct it"
    names = "name" if e.source == SYSTEM else "names"
    return Sentence(
        f"{e.source} {names} no proxy that can be used: {e.reason}",
        f"{verb}, for example: export {variable}=http://proxy.example.org:8080. To connect "
        "without a proxy, name the aggregator's host in NO_PROXY",
    )


NETWORK: Said = {
    errors.BadBlobSource: plain(
        "--blobs-from names no object store that can be used: {e.reason}",
        "write the URL that the aggregator's log gives, or leave the option away",
    ),
    errors.StoreRefuses: plain(
        "the object store at {e.url} does not do its part: {e.reason}",
        "leave --blobs-from away: then all goes through the aggregator",
    ),
    errors.Unreachable: _unreachable,
    errors.ForeignAggregator: _foreign_aggregator,
    errors.WrongCertificate: _wrong_certificate,
    errors.BadProxy: _bad_proxy,
    errors.ProxyRefuses: plain(
        "the aggregator at {e.url} is not reachable: {e.reason}", "{e.remedy}"
    ),
    protocol_errors.BrokenChannel: plain(
        "what came from the aggregator was changed on the way (frame {e.number})",
        "ask the administrators of this hospital's network whether a box on the way alters it",
    ),
    protocol_errors.ForeignCard: plain(
        "the aggregator's card {e.number} is signed by another key than the terms name",
        "ask the aggregator's operator for the card of this federation. Nothing was changed",
    ),
    protocol_errors.OlderCard: plain(
        "the aggregator's card {e.number} is older than card {e.held}, which this hospital has",
        "nothing is to be done: the newer one stays in use",
    ),
    protocol_errors.CardConflict: plain(
        "there are two cards of the aggregator with the number {e.number}, and they differ",
        "somebody who has the aggregator's key signed both. Tell the other hospitals, and ask the "
        "operator for a card with a higher number",
    ),
}

_STATES = {
    "starting": ("is just starting", "try again in a moment"),
    "passphrase": (
        "waits for its passphrase",
        "type it where it runs, or start it with --passphrase-file",
    ),
    "stopping": ("is about to end", "try again in a moment"),
}


def _unsafe(e: errors.UnsafeFolder, c: Context) -> Sentence:
    if e.owner:
        return Sentence(
            f"{e.path} belongs to {e.owner}, so no agent is spoken with there",
            "use the data folder of this user as --home, or speak with the agent as its own user",
        )
    return Sentence(
        f"others may enter {e.path} (mode {e.mode:o}), so no agent is spoken with there",
        f"close it to them: chmod 700 {pasted(e.path)}",
    )


def _waits(e: errors.AgentWaits, c: Context) -> Sentence:
    state, remedy = _STATES[e.state]
    return Sentence(f"the agent at {e.path} {state}", remedy)


DOOR: Said = {
    errors.PathTooLong: plain(
        "{e.path} is longer than a socket's path can be ({e.limit} bytes)",
        "move the data folder to a shorter path, and name that as --home",
    ),
    errors.UnsafeFolder: _unsafe,
    errors.ForeignPeer: plain(
        "a process of user {e.user} is at the other end of {e.path}",
        "nothing was said to it. Look at who can write there, and tell the machine's administrator",
    ),
    errors.AgentWaits: _waits,
    errors.AgentDenies: plain(
        "the agent at {e.path} does not take this: {e.reason}",
        "look at what it logs. If it runs another release than this command, restart it",
    ),
    errors.DoorClosed: plain(
        "the agent at {e.path} ended before it had answered",
        "start it again, or type the same command again: it then does the work by itself",
    ),
    errors.NoAgent: plain("no agent listens at {e.path}", f"start one: {COMMAND} serve {{c.here}}"),
    errors.SaidByAgent: lambda e, c: Sentence(e.what, e.remedy, e.exit_code),
    errors.SessionTaken: plain(
        "another task of this hospital's agent is at work on {e.session}",
        f"wait for its end. See what it does: {COMMAND} status {{c.here}}",
    ),
}
