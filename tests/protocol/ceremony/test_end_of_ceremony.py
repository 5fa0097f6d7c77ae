"""The end of a ceremony: whatever one member says there, all who have the board agree about it.

Either every honest machine has the key and the board says that it counts, or none has and it does
not.
"""

import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import pytest

from protocol.board.draft import Draft
from protocol.board.key_history import certified_by_all, is_aborted
from protocol.board.post import Post, Posted
from protocol.ceremony.judgement import Verdict, judge
from protocol.ceremony.machine import Ceremony
from protocol.encoding import digest, encode
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Certificate, Disclosure, Join, Overdue, Step
from protocol.record.audit.observed.observation import Observation, observe
from tests.stage.ceremony.altered import turned
from tests.stage.files import with_payload
from tests.stage.toy import CEREMONY, CeremonyTable, seed_of, toy_federation

LIAR, HONEST = 2, (1, 3)
SECONDS = 60
LATE = 1_000 * SECONDS


@cache
def at_the_end() -> CeremonyTable:
    """A ceremony in which only the certificates are missing."""
    return CeremonyTable(toy_federation(3, 2, step_seconds=SECONDS)).before_the_end()


class End:
    """The last step on a board of its own; the machines come there as ``at_the_end`` left them."""

    def __init__(self) -> None:
        table = at_the_end()
        self.terms = table.federation.terms
        self.entries = table.board.session(CEREMONY)
        self.machines = {i: fresh(table.machines[i]) for i in HONEST}
        self.right = table.machines[LIAR].unsealed()

    def say(self, sender: int, body: Body, time_ms: int = 0) -> None:
        """Put a post on the board, and show it to the honest machines."""
        last = self.entries[-1]
        count = sum(p.post.sender == sender for p in self.entries)
        post = Post(self.terms.federation, CEREMONY, sender, count, last.position, last.hash, body)
        name = digest("test", last.hash, encode(post))
        self.entries.append(Posted(last.position + 1, name, time_ms, post, name))
        for machine in self.machines.values():
            machine.receive(self.entries[-1], {})

    def certify(self, members: Iterable[int] = HONEST) -> None:
        """Let honest members certify, if that is still what they have to say."""
        for i in members:
            if (draft := self.machines[i].due()) and isinstance(draft.body, Certificate):
                self.say(i, draft.body)

    def settle(self) -> None:
        """Let the honest members say what they have to, until they have nothing more to say."""
        while due := [(i, d) for i, m in self.machines.items() if (d := m.due())]:
            for i, draft in due:
                self.say(i, draft.body)

    @property
    def has_key(self) -> bool:
        """Whether the board says that the key counts."""
        return bool(list(certified_by_all(self.entries, self.terms)))

    @property
    def is_aborted(self) -> bool:
        """Whether the board says that the ceremony was aborted."""
        return is_aborted((p.post for p in self.entries), self.terms.n_members)

    @property
    def keys(self) -> list[bool]:
        """Which honest members have a share."""
        return [bool(machine.outcome) for machine in self.machines.values()]

    def payloads(self, posted: Posted) -> dict[int, bytes]:
        """All payloads of an entry; nothing is attached to those that were said here."""
        return at_the_end().all_payloads(posted)

    @property
    def verdict(self) -> Verdict:
        """What the board shows after an abort."""
        return judge(self.terms, CEREMONY, self.entries, self.payloads)

    @property
    def seen(self) -> Observation:
        """What the audit makes of it."""

        def public(posted: Posted) -> dict[int, bytes]:
            return {to: p for to, p in self.payloads(posted).items() if to == 0}

        return observe(self.terms, CEREMONY, self.entries, public, bytes(32))


def fresh(machine: Ceremony) -> Ceremony:
    """A machine that goes on from where another one is in the last step."""
    other = copy.copy(machine)
    for name in ("disclosed", "_spoken", "_payloads", "_time"):
        setattr(other, name, copy.copy(getattr(machine, name)))
    other._time._said = set(machine._time._said)
    return other


def bodies() -> dict[str, Body]:
    """What the liar may say."""
    right = at_the_end().machines[LIAR].unsealed()
    assert isinstance(right, Certificate)
    return {
        "right": right,
        "wrong": Certificate(bytes(32), right.epoch),
        "abort": Abort(0, "certificate", "no"),
        "silent": Abort(0, "certificate", "silent", HONEST),
        "overdue": Overdue("certificate", 0, 0),
        "step": Step("deal", 0, 0, ()),
        "join": Join(b"x" * 1_216, bytes(32)),
        "disclosure": Disclosure(seed_of("toy", "ceremony", LIAR)),
    }


SAYINGS = ("right", "wrong", "abort", "overdue", "step")
BEFORE = {"nobody": (), "one": HONEST[:1], "all": HONEST}


def sequences(words: Sequence[str], most: int) -> Iterator[tuple[str, ...]]:
    for length in range(most + 1):
        yield from itertools.product(words, repeat=length)


def ended(before: Sequence[int], words: Sequence[str], time_ms: int = LATE) -> End:
    """Some honest members certify, the liar speaks without a pause, then the others say theirs."""
    end, said = End(), bodies()
    end.certify(before)
    for word in words:
        end.say(LIAR, said[word], time_ms if word == "overdue" else 0)
    end.settle()
    return end


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
def test_after_any_three_posts_of_a_liar_machines_and_board_agree(before: Sequence[int]) -> None:
    counts = 0
    for words in sequences(SAYINGS, 3):
        end = ended(before, words)
        assert end.keys == [end.has_key] * len(HONEST), words
        assert not (end.has_key and end.is_aborted), words
        if not end.has_key and not end.is_aborted:
            assert not {"right", "wrong"} & set(words), words  # its certificate is waited for
        counts += end.has_key
    assert counts > 10


@pytest.mark.parametrize("junk", ["step", "join", "disclosure"])
def test_what_a_liar_says_out_of_turn_between_the_certificates_has_no_effect(junk: str) -> None:
    end = ended(HONEST, (junk, "right"))
    assert end.keys == [True, True]
    assert end.has_key
    seen = end.seen
    assert [p.post.sender for p in seen.ignored] == [LIAR]
    assert seen.complete
    assert seen.due == end.right


def test_a_right_certificate_does_not_take_back_a_wrong_one() -> None:
    end = ended(HONEST, ("wrong", "right"))
    assert end.keys == [False, False]
    assert not end.has_key
    assert end.is_aborted
    assert set(end.verdict.culprits) == {LIAR}


def test_a_wrong_certificate_does_not_spoil_a_right_one() -> None:
    end = ended((), ("right", "wrong"))
    assert end.keys == [True, True]
    assert end.has_key
    assert [p.post.sender for p in end.seen.ignored] == [LIAR]


def test_an_abort_behind_the_last_certificate_is_void() -> None:
    end = ended(HONEST, ("right", "abort", "disclosure"))
    assert end.has_key
    seen = end.seen
    assert not seen.is_aborted
    assert [type(p.post.body) for p in seen.ignored] == [Abort, Disclosure]


def assert_nobody_honest_is_blamed(end: End, words: Sequence[str]) -> None:
    """Who had certified before the abort was not silent, and no honest member broke a rule."""
    if not end.is_aborted:
        return
    verdict = end.verdict
    assert set(verdict.culprits) | set(verdict.silent) <= {LIAR}, words
    if verdict.given_up:
        said = [p for p in end.entries if p.position < verdict.given_up.position]
        certified = {p.post.sender for p in said if isinstance(p.post.body, Certificate)}
        assert not set(verdict.given_up.silent) & certified & set(HONEST), words


@pytest.mark.parametrize(("certified", "other", "word"), [(1, 1, "step"), (0, 0, "wrong")])
def test_who_certified_and_aborts_before_all_certificates_are_there_is_named(
    certified: int, other: int, word: str
) -> None:
    """Neither another's junk nor its wrong certificate is a reason.

    No honest machine takes notice of junk, and they compare certificates when all are there.
    """
    end, said = End(), bodies()
    end.certify(HONEST[:certified])
    end.say(HONEST[other], said[word])
    end.say(LIAR, said["right"])
    end.say(LIAR, said["abort"])
    assert end.verdict.culprits[LIAR] == "it certified, and aborted without reason"


def test_a_second_certificate_names_nobody_where_another_aborts() -> None:
    end, said = End(), bodies()
    end.certify(HONEST[:1])
    end.say(LIAR, said["right"])
    end.say(LIAR, said["wrong"])
    end.say(HONEST[1], said["abort"])
    assert set(end.verdict.culprits) <= {HONEST[1]}
    assert [p.post.sender for p in end.seen.ignored] == [LIAR]


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
def test_no_liar_has_an_honest_member_named_or_shown_as_silent(before: Sequence[int]) -> None:
    for words in sequences(tuple(bodies()), 2 if len(before) == len(HONEST) else 1):
        assert_nobody_honest_is_blamed(ended(before, words), words)


@pytest.mark.slow
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
def test_nor_with_any_three_posts(before: Sequence[int]) -> None:
    for words in sequences((*SAYINGS, "silent"), 3):
        assert_nobody_honest_is_blamed(ended(before, words), words)


def test_a_liars_own_certificate_shows_nobody_as_silent() -> None:
    """It names an old entry, so that the last step looks as if it had begun long ago."""
    table = CeremonyTable(toy_federation(3, 2, step_seconds=SECONDS))
    while not table.machines[HONEST[0]].aborted:
        for sender, draft in table.due():
            if sender != LIAR and isinstance(draft.body, Abort | Disclosure):
                table.publish(sender, draft)
            elif not isinstance(draft.body, Abort | Disclosure):
                table.publish(sender, spoilt(draft) if sender == LIAR else draft)
    for i in HONEST:
        if draft := table.machines[i].due():  # type: ignore[assignment]
            table.publish(i, draft)
    assert table.verdict.silent == (LIAR,)
    table.now_ms = 2 * LATE
    for body in (
        Certificate(table.board.entries[0].hash, b""),
        Overdue("certificate", 0, 0),
        Abort(0, "certificate", "silent", HONEST),
    ):
        table.say(LIAR, Draft(CEREMONY, body))
    verdict = table.verdict
    assert verdict.given_up is None
    assert set(verdict.culprits) == {LIAR}


def spoilt(draft: Draft) -> Draft:
    """The draft with another D(j), where it tells that: all see it, and nobody can say whose."""
    is_told = isinstance(draft.body, Step) and draft.body.step == "theta-commit"
    return with_payload(draft, 0, turned(40)) if is_told else draft


@pytest.mark.parametrize("spoil", ["certified after an abort", "named another entry"])
def test_silence_at_the_end_is_seen_from_a_right_certificate_before_any_abort(spoil: str) -> None:
    end, said = End(), bodies()
    right = said["right"]
    assert isinstance(right, Certificate)
    if spoil == "named another entry":
        right = Certificate(end.entries[0].hash, right.epoch)
    else:
        end.say(HONEST[0], Abort(0, "certificate", "no"))
    end.say(LIAR, right)
    end.say(LIAR, said["overdue"], LATE)
    end.say(LIAR, said["silent"])
    assert end.verdict.given_up is None
