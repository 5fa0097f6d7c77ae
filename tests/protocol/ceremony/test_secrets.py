"""What nobody may read off a ceremony: not from reprs, not from vaults, not from the board."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import pytest

from protocol.ceremony.machine import Ceremony
from protocol.ceremony.run import CeremonyRun
from protocol.ceremony.step import Payload
from protocol.encoding import encode
from protocol.errors import BadSeal
from protocol.messages.ceremony import Step
from protocol.sealing import SealContext, SealingKey
from tests.stage.ceremony.opened_key import dealers_factors, factors_of_the_key, runs_of
from tests.stage.ceremony.small_ceremony import QUORUM, N, federation, label_of, opened
from tests.stage.toy import CEREMONY, CeremonyTable, toy_epoch


@lru_cache(maxsize=1)
def machine_in_work() -> Ceremony:
    """A machine with every field of it filled: all but the certificates said."""
    return CeremonyTable(federation()).before_the_end().machines[1]


@pytest.mark.parametrize("payload", Payload.__subclasses__())
def test_no_repr_shows_what_is_not_said_yet(payload: type[Payload]) -> None:
    assert payload.__repr__ is object.__repr__


def everything_in(thing: Any, seen: set[int]) -> Iterator[Any]:
    if id(thing) in seen:
        return
    seen.add(id(thing))
    yield thing
    if isinstance(thing, dict):
        inner = list(thing.values())
    elif isinstance(thing, list | tuple | set):
        inner = list(thing)
    elif isinstance(thing, msgspec.Struct):
        inner = list(msgspec.structs.astuple(thing))
    else:
        inner = list(getattr(thing, "__dict__", {}).values())
    for item in inner:
        yield from everything_in(item, seen)


def secrets_of(run: CeremonyRun) -> list[str]:
    """A member's secrets in every spelling that a repr might use."""
    assert run.share is not None
    numbers = [
        *(part for d in run.batch.dealings.values() for pair in d.factors for part in pair),
        *(row for d in run.batch.dealings.values() for side in d.polynomials for row in side),
        *(row for by in run.batch.points.values() for pair in by.values() for row in pair),
        *run.the_winner.points,
        *run.the_winner.exponent_points.values(),
        run.share.value,
    ]
    data = [run.seed, run.epoch_sealing_seed]
    data += [*run.keys_sent.values(), *run.keys_received.values()]
    spelled = [str(number) for number in numbers] + [hex(number)[2:] for number in numbers]
    return spelled + [item for d in data for item in (repr(d)[2:-1], d.hex())]


def test_no_object_of_a_ceremony_shows_a_secret():
    machine = machine_in_work()
    secrets, shown = secrets_of(machine._run), 0
    secrets += [repr(leaf)[2:-1] for leaf in machine._run.batch.leaves]
    assert len(secrets) > 50
    for thing in everything_in(machine, set()):
        ours = type(thing).__module__.partition(".")[0] in ("keyshare", "protocol")
        if ours:
            shown += 1
            found = repr(thing) + str(thing)
            assert not any(secret in found for secret in secrets), type(thing)
    assert shown > 5


def test_what_a_vault_keeps_opens_nothing_of_the_ceremony():
    """Else few stolen vaults and the board would give the factors, whatever the quorum."""
    toy = toy_epoch(N, QUORUM)
    key = SealingKey(toy.secrets[3].sealing_seed)
    assert key.public == toy.epoch.sealing_keys[2]
    sealed = 0
    for posted in toy.table.board.entries:
        body, sender = posted.post.body, posted.post.sender
        for to, payload in toy.table.payloads(posted, 3).items() if isinstance(body, Step) else ():
            if to == 3 and isinstance(body, Step):
                sealed += 1
                label = label_of(body)
                assert opened(toy.table, 3, sender, label, payload)
                identity = toy.federation.terms.federation
                with pytest.raises(BadSeal):
                    key.unseal(payload, SealContext(identity, CEREMONY, label, sender, 3))
    dealers = set(runs_of(toy.table)[1].the_winner.exponents)
    batches = runs_of(toy.table)[1].batch.number + 1
    assert sealed == batches * (N - 1) + len(dealers - {3})


def test_no_draft_and_no_outcome_shows_a_secret():
    table = CeremonyTable(federation())
    drafts = []
    table.run(lambda sender, draft: drafts.append(draft) or draft)
    run = table.machines[1]._run
    found = "".join(map(repr, drafts)) + repr(table.machines[1].outcome)
    assert not any(secret in found for secret in secrets_of(run))


def test_no_public_part_of_the_board_holds_a_secret_of_the_key():
    table = toy_epoch(N, QUORUM).table
    said = b"".join(encode(entry) for entry in table.entries) + b"".join(table.blobs.values())
    numbers = [*factors_of_the_key(table)]
    numbers += [part for pair in dealers_factors(table).values() for part in pair]
    data = list(table.seeds.values())
    for i, run in runs_of(table).items():
        assert run.share is not None
        numbers += [*run.the_winner.points, run.share.value]
        numbers += run.the_winner.exponent_points.values()
        data += [run.seed, run.epoch_sealing_seed, *run.keys_sent.values(), table.seeds[i]]
    data += [winners_leaf(run) for run in runs_of(table).values() if i_deals(run)]
    for number in numbers:
        data.append(int(abs(number)).to_bytes((number.bit_length() + 7) // 8, "big"))
    assert len(data) > 8 * N
    assert not any(secret in said for secret in data)


def i_deals(run: CeremonyRun) -> bool:
    return run.index in run.the_winner.exponents


def winners_leaf(run: CeremonyRun) -> bytes:
    number, position = divmod(run.the_winner.number, run.layout.class_size)
    return run.batch.leaves[
        run.layout.dealt_by(run.index).index(number) * run.layout.class_size + position
    ]


def test_the_leaves_of_all_rejected_candidates_are_on_the_board():
    """The other side of the test above: it does look where leaves would be."""
    table = toy_epoch(N, QUORUM).table
    said = b"".join(encode(entry) for entry in table.entries) + b"".join(table.blobs.values())
    for run in runs_of(table).values():
        kept = {winners_leaf(run)} if i_deals(run) else set()
        assert {leaf for leaf in run.batch.leaves if leaf not in said} == kept
