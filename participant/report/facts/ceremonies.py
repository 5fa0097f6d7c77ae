"""What the board says of a key ceremony, and the verdict on one that was aborted."""

from collections.abc import Callable, Mapping, Sequence

from keyshare.errors import KeyshareError
from participant.ceremony import Accusation
from participant.report.facts.facts import CeremonyFacts, Culprit, Deed, VerdictFacts
from participant.words import in_names
from participant.words.fingerprint import fingerprint
from protocol.board import Posted, epoch_of, firsts, of_kind
from protocol.ceremony import judge, layout_of
from protocol.errors import ProtocolError
from protocol.messages import Abort, Certificate, Disclosure, Join, Step
from protocol.terms import Terms

Payloads = Callable[[Posted], Mapping[int, bytes]]


def ceremony_facts(terms: Terms, posts: Sequence[Posted], payloads: Payloads) -> CeremonyFacts:
    """A ceremony from its entries; ``payloads`` gives those of an entry, by recipient."""
    joins, certificates = firsts(posts, Join), firsts(posts, Certificate)
    words = _fingerprint(terms, posts)
    aborts = [] if words else list(of_kind(posts, Abort))
    ended: Posted | None = aborts[0] if aborts else None
    if words:
        ended = max(certificates.values(), key=lambda p: p.position)
    all_joined = None
    if len(joins) == terms.n_members:
        all_joined = Deed.of(max(joins.values(), key=lambda p: p.position))
    return CeremonyFacts(
        posts[0].post.session,
        Deed.of(posts[0]),
        all_joined,
        Deed.of(ended) if ended else None,
        tuple(sorted(joins)),
        tuple(sorted(certificates)),
        _candidates(terms, posts, bool(words)),
        words,
        tuple(_abort(p, terms) for p in aborts),
        tuple(sorted(firsts(posts, Disclosure))),
        _verdict(terms, posts, payloads) if aborts else None,
    )


def _fingerprint(terms: Terms, posts: Sequence[Posted]) -> str:
    """The joint key's in words, nothing unless all members certified the same."""
    epoch = epoch_of(posts, terms)
    return fingerprint(epoch.digest) if epoch else ""


def _candidates(terms: Terms, posts: Sequence[Posted], is_found: bool) -> int:
    """How many were tried: batches are tried as a whole."""
    batches = [p.post.body.batch for p in of_kind(posts, Step)]
    return (max(batches, default=0) + is_found) * layout_of(terms).batch_size if batches else 0


def _abort(posted: Posted[Abort], terms: Terms) -> Accusation:
    body = posted.post.body
    reason, step = in_names(body.reason, terms), in_names(body.step, terms)
    return Accusation(posted.post.sender, body.culprit, step, reason, posted.position, body.silent)


def _verdict(terms: Terms, posts: Sequence[Posted], payloads: Payloads) -> VerdictFacts:
    """Replay everyone whose seed is known, as ``quorate-participant verdict`` does."""
    try:
        found = judge(terms, posts[0].post.session, posts, payloads)
    except (ProtocolError, KeyshareError) as error:
        return VerdictFacts(missing=str(error))
    culprits = tuple(
        Culprit(member, found.evidence[member], in_names(reason, terms))
        for member, reason in found.culprits.items()
    )
    given_up = None
    if (silence := found.given_up) is not None:
        reason = in_names(f"step {silence.step}: {silence.reason}", terms)
        given_up = silence.position, reason
    return VerdictFacts(culprits, found.silent, given_up=given_up)
