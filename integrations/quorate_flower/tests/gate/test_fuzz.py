# SPDX-License-Identifier: Apache-2.0
"""The decoder, given what was never meant for it."""

import contextlib
import json
import math
import random
from collections.abc import Callable

import pytest
from flwr.app import ConfigRecord, Error, MetricRecord, RecordDict
from flwr.proto.fleet_pb2 import PushMessagesRequest
from google.protobuf.message import DecodeError
from quorate_flower.gate.errors import Refused
from quorate_flower.gate.reply import Failure, check_object, judge, object_ids, rounded

from tests.gate.replies import LISTED, Pushed, assembled, good, made, reply

ROUNDS = 3000


def require_allowed(found: RecordDict | Failure) -> None:
    """Whatever was read, what leaves has these forms and no other."""
    if isinstance(found, Failure):
        assert found.code in range(9)
        return
    assert not found.array_records
    for name, record in found.metric_records.items():
        assert name in {"metrics", "fitres.num_examples", "evaluateres.num_examples",
                        "evaluateres.loss"}  # fmt: skip
        assert record.keys() <= LISTED | {"num-examples", "num_examples"}
        for value in record.values():
            assert isinstance(value, int | float)
            assert math.isnan(value) or value == rounded(value)
    for config in found.config_records.values():
        for entry in config.values():
            assert isinstance(entry, int | float | str)
            assert not isinstance(entry, str) or len(entry) <= 64


def tried(read: Callable[[], RecordDict | Failure]) -> bool:
    """Whether something may leave; nothing but Refused is raised."""
    try:
        found = read()
    except Refused:
        return False
    require_allowed(found)
    return True


def changed(chance: random.Random, content: bytes) -> bytes:
    """Some bytes of it otherwise."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at:at] = chance.randbytes(chance.randint(1, 9))
            case 2:
                del data[at : at + chance.randint(1, 9)]
            case _:
                other = chance.randrange(len(data) + 1)
                data[at:at] = data[other : other + 20]
    return bytes(data)


def rebuilt(chance: random.Random, content: RecordDict) -> Pushed:
    """A reply whose records have other bodies under heads, names and ids that are right."""
    records = {}
    for name, record in content.items():
        body = record.deflate().partition(b"\0")[2]
        if chance.random() < 0.4:
            body = changed(chance, body)
        kind = type(record).__name__ if chance.random() < 0.95 else "MetricRecord"
        records[name] = made(kind, [], body)
    names = json.dumps({name: one for name, (one, _) in records.items()}).encode()
    return assembled(records, changed(chance, names) if chance.random() < 0.2 else names)


def sources() -> list[RecordDict]:
    """Replies of both APIs."""
    return [
        good(),
        RecordDict(
            {
                "evaluateres.loss": MetricRecord({"loss": 0.5}),
                "evaluateres.num_examples": MetricRecord({"num_examples": 1}),
                "evaluateres.metrics": ConfigRecord({"train_loss": 0.1}),
                "evaluateres.status": ConfigRecord({"code": 0, "message": ""}),
            }
        ),
    ]


@pytest.mark.parametrize("seed", range(4))
def test_changed_records_leave_in_the_allowed_forms_or_not_at_all(seed: int) -> None:
    chance, passed = random.Random(seed), 0
    for _ in range(ROUNDS // 4):
        pushed = rebuilt(chance, chance.choice(sources()))
        passed += tried(lambda one=pushed: judge(one.root, one.objects, LISTED))  # type: ignore[misc]
    assert 0 < passed < ROUNDS // 4  # both happen, or the test says nothing


def test_changed_objects_are_refused() -> None:
    chance = random.Random(1)
    pushed = [*map(reply, sources()), reply(Error(2, "no"))]
    for _ in range(ROUNDS):
        one = chance.choice(pushed)
        name = chance.choice(sorted(one.objects))
        content = changed(chance, one.objects[name])
        if content == one.objects[name]:
            continue
        with pytest.raises(Refused):
            check_object(name, content)


def test_random_bytes_are_refused() -> None:
    chance = random.Random(2)
    for _ in range(ROUNDS):
        name, content = made("Message", [], chance.randbytes(chance.randint(0, 200)))
        tried(lambda a=name, b=content: judge(a, {a: b}, LISTED))  # type: ignore[misc]


def test_changed_trees_give_few_ids_or_are_refused() -> None:
    chance = random.Random(3)
    data = reply(good()).request().SerializeToString()
    for _ in range(ROUNDS):
        try:
            request = PushMessagesRequest.FromString(changed(chance, data))
        except DecodeError:
            continue
        for tree in request.message_object_trees:
            with contextlib.suppress(Refused):
                assert len(object_ids(tree)) <= 8
