"""What new terms change, and what that means, in lines for whoever is to sign them."""

from collections.abc import Iterator, Sequence

from participant.words.fingerprint import fingerprint
from protocol.encoding import encode_binary
from protocol.terms import Changes, Setting, Terms, changes, least_consents
from protocol.words import number_of


def succession_lines(new: Terms, old: Terms | None) -> Iterator[str]:
    """Which terms these succeed and what that means; nothing where they succeed none.

    old: the terms that they succeed, without which nobody knows what changes.
    """
    before = new.predecessor
    if before is None:
        return
    words, hands_over = fingerprint(before.federation), new.takes_over_key
    if old is None:
        yield _row("succeeds", f"the terms with this fingerprint: {words}")
        yield _row("", "What changes, and who has to agree, is shown with these as --old")
        yield from _of_key(hands_over)
        return
    yield _row("succeeds", f"{old.name}, the terms with this fingerprint: {words}")
    found = changes(old, new)
    yield from _of_members(found)
    yield _row("  quorum", f"{_quorum(old)} -> {_quorum(new)}")
    for setting in found.settings:
        if setting.field != "federation.quorum":
            yield _row("  changes", _setting(setting))
    if hands_over:
        yield from _of_consents(old, new, found)
    yield from _of_key(hands_over)
    if hands_over:
        yield from (_row("", text) for text in _warnings(old, found))


def _row(label: str, text: str) -> str:
    return f"  {label:<14}{text}"


def _of_members(found: Changes) -> Iterator[str]:
    yield _row("  joins", _names(found.joins))
    yield _row("  leaves", _names(found.leaves))
    yield _row("  new card", _names(found.replaced))


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "nobody"


def _quorum(terms: Terms) -> str:
    return f"{terms.quorum} of {terms.n_members}"


def _setting(setting: Setting) -> str:
    if setting.field == "federation.aggregator_key":
        return "another aggregator, with another signing key"
    return f"{setting.field} {_value(setting.before)} -> {_value(setting.after)}"


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return encode_binary(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _of_consents(old: Terms, new: Terms, found: Changes) -> Iterator[str]:
    """How many old members have to agree, and whether so many can."""
    needed = least_consents(old, new)
    why = ""
    if new.quorum < old.quorum:
        why = ", since fewer than before will decrypt"
    elif needed == old.n_members and 2 * new.quorum <= new.n_members:
        why = ", since no majority will be needed to decrypt"
    yield _row("  agree", f"{needed} of the {old.n_members} old members have to{why}")
    if needed > old.n_members - len(found.replaced):
        yield _row(
            "",
            f"WARNING  {_names(found.replaced)} would have to agree with the old card's key. If "
            "that is lost, this handover cannot be. Keep the quorum, or make a new key",
        )


def _of_key(hands_over: bool) -> Iterator[str]:
    if not hands_over:
        yield _row("  key", "a new one, with a new N, from a ceremony of the new members")
        yield _row(
            "",
            "It opens nothing that was encrypted before. What is encrypted under the old key, the "
            "old members finish, or give up",
        )
        return
    yield _row("  key", "the same, with the same N and new key shares, from a handover")
    yield _row(
        "",
        "Everybody who ever held a quorum of its key shares can still decrypt, and can decrypt "
        "what will be encrypted. A handover takes that from nobody",
    )
    yield _row(
        "", "The new quorum can decrypt what was encrypted before under this key, on whatever board"
    )


def _warnings(old: Terms, found: Changes) -> Iterator[str]:
    """What a handover does not do, for each kind of change that there is."""
    if found.joins:
        yield (
            f"{_names(found.joins)} {number_of(len(found.joins), 'gets', 'get')} a part in all "
            "that. If nothing old is to be decrypted any more, a new key is right "
            "(terms succeed --new-key)"
        )
    if found.leaves:
        yield (
            f"{_names(found.leaves)} {number_of(len(found.leaves), 'leaves', 'leave')} in peace, "
            "or else this is wrong: nobody sees whether an old key share and its backups are "
            "erased. Where somebody is expelled or a key is suspected, a new key is right"
        )
    if found.replaced:
        yield (
            f"{_names(found.replaced)}: the key share on the old machine will be worth nothing, "
            f"unless {old.quorum} old key shares come together, backups too. What was done with it "
            "before is not healed: whoever opened it could sign and help to decrypt"
        )
