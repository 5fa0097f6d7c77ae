# SPDX-License-Identifier: Apache-2.0
"""What of a reply may leave, and each way in which an app could try to say more."""

import hashlib
import json
import math
import random
import struct
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Error, MetricRecord, RecordDict
from flwr.proto.message_pb2 import ObjectTree
from flwr.proto.recorddict_pb2 import MetricRecord as ProtoMetricRecord
from flwr.proto.recorddict_pb2 import MetricRecordValue
from quorate_flower.errors import QuorateError
from quorate_flower.gate.errors import Refused
from quorate_flower.gate.reply import (
    MOST_OBJECT_BYTES,
    Failure,
    check_object,
    judge,
    object_ids,
    rounded,
)
from quorate_flower.receipt import Receipt

from tests.gate.replies import LISTED, PATIENT, Pushed, assembled, good, made, receipt, reply


def judged(pushed: Pushed) -> RecordDict | Failure:
    return judge(pushed.root, pushed.objects, LISTED)


def taken(pushed: Pushed) -> RecordDict | Failure:
    object_ids(pushed.tree)
    return judged(pushed)


def refused(pushed: Pushed) -> str:
    with pytest.raises(Refused) as caught:
        taken(pushed)
    assert PATIENT not in caught.value.text
    return caught.value.text


def metrics(**values: Any) -> Pushed:
    return reply(RecordDict({"metrics": MetricRecord(values)}))


def test_listed_metrics_a_count_of_one_and_the_receipt_leave() -> None:
    found = judged(reply(good()))
    assert isinstance(found, RecordDict)
    assert dict(found["metrics"]) == {"num-examples": 1, "train_loss": 0.25}
    assert found["quorate"] == receipt()


def test_replies_of_the_older_api_leave() -> None:
    content = RecordDict(
        {
            "evaluateres.loss": MetricRecord({"loss": 0.5}),
            "evaluateres.num_examples": MetricRecord({"num_examples": 1}),
            "evaluateres.metrics": ConfigRecord({"train_loss": 0.1}),
            "evaluateres.status": ConfigRecord({"code": 0, "message": ""}),
        }
    )
    assert judged(reply(content)) == content


def test_records_of_two_kinds_of_reply_would_say_a_metric_twice() -> None:
    content = good(**{"fitres.metrics": ConfigRecord({"train_loss": 0.75})})
    assert "more than one kind" in refused(reply(content))


@pytest.mark.parametrize("name", ["fitres.num_examples", "evaluateres.num_examples"])
def test_a_record_of_counts_has_no_metric(name: str) -> None:
    content = RecordDict({name: MetricRecord({"num_examples": 1, "train_loss": 0.75})})
    assert "not listed" in refused(reply(content))


def test_an_old_loss_has_no_other_metric_and_one_value() -> None:
    def answer(loss: float, **more: float) -> Pushed:
        content = RecordDict({"evaluateres.loss": MetricRecord({"loss": 0.5, **more})})
        content["evaluateres.metrics"] = ConfigRecord({"loss": loss})
        return reply(content)

    assert isinstance(judged(answer(0.5)), RecordDict)
    assert "two values" in refused(answer(0.25))
    assert "not listed" in refused(answer(0.5, train_loss=0.75))


def test_an_old_loss_that_is_not_listed_leaves_as_no_number_alone() -> None:
    nothing = RecordDict({"evaluateres.loss": MetricRecord({"loss": math.nan})})
    pushed = reply(nothing)
    found = judge(pushed.root, pushed.objects, frozenset())
    assert isinstance(found, RecordDict)
    assert repr(found["evaluateres.loss"]["loss"]) == "nan"
    told = reply(RecordDict({"evaluateres.loss": MetricRecord({"loss": 0.5})}))
    with pytest.raises(Refused, match="not listed"):
        judge(told.root, told.objects, frozenset())


@pytest.mark.parametrize(
    "arrays", [ArrayRecord([np.arange(3.0)]), ArrayRecord({"w": Array(np.zeros(1 << 20))})]
)
def test_no_array_leaves(arrays: ArrayRecord) -> None:
    pushed = reply(good(arrays=arrays))
    with pytest.raises(Refused, match="no arrays may leave"):
        judged(pushed)


def test_a_record_of_arrays_does_not_leave_even_if_it_is_empty() -> None:
    assert "ArrayRecord" in refused(reply(RecordDict({"arrays": ArrayRecord()})))


@pytest.mark.parametrize("kind", ["ArrayRecord", "Array", "ArrayChunk"])
def test_the_first_object_of_an_array_is_refused_by_itself(kind: str) -> None:
    with pytest.raises(Refused, match="no arrays may leave"):
        check_object(*made(kind, [], b"12345678"))


def test_an_object_of_an_unknown_class_is_refused_and_not_named() -> None:
    text = refused(assembled({"metrics": made(PATIENT.replace(" ", "_"), [], b"")}))
    assert "Erika" not in text
    assert "unknown" in text


def test_more_objects_than_a_reply_without_arrays_has_are_refused() -> None:
    many = RecordDict({f"m{k}": MetricRecord({"train_loss": float(k)}) for k in range(7)})
    assert "9 objects" in refused(reply(many))


def test_a_large_record_is_refused() -> None:
    content = RecordDict({"quorate": ConfigRecord({"model": "a" * MOST_OBJECT_BYTES})})
    assert "16384 bytes" in refused(reply(content))


@pytest.mark.parametrize("value", [[0.5], [0.5, 0.25], [1, 2, 3], [2**63]])
def test_a_list_of_numbers_is_no_metric(value: object) -> None:
    assert "no number" in refused(metrics(train_loss=value))


def test_a_metric_that_is_not_listed_is_refused_and_not_named() -> None:
    text = refused(reply(RecordDict({"metrics": MetricRecord({PATIENT: 1.0})})))
    assert "not listed" in text


@pytest.mark.parametrize("count", [150, 0, 1.5, 2])
@pytest.mark.parametrize("name", ["num-examples", "num_examples"])
def test_a_number_of_examples_is_one(name: str, count: float) -> None:
    assert "is not 1" in refused(metrics(**{name: count}))


def test_a_count_cannot_be_listed_away() -> None:
    pushed = metrics(**{"num-examples": 150})
    with pytest.raises(Refused, match="is not 1"):
        judge(pushed.root, pushed.objects, frozenset({"num-examples"}))


def test_a_metric_has_six_digits() -> None:
    found = judged(metrics(train_loss=0.71333333333))
    assert isinstance(found, RecordDict)
    assert found["metrics"]["train_loss"] == 0.713333


def test_no_bits_hide_in_a_number() -> None:
    payload = struct.unpack("<d", struct.pack("<Q", 0x7FF8_1234_5678_9ABC))[0]
    plain = struct.pack("<d", math.nan)
    assert struct.pack("<d", rounded(payload)) == plain
    assert math.copysign(1, rounded(-0.0)) == 1
    assert rounded(2**63 + 12345) == 9.22337e18


def test_a_metric_tells_less_than_four_bytes() -> None:
    chance = random.Random(0)
    for _ in range(2000):
        (value,) = struct.unpack("<d", chance.randbytes(8))
        assert math.isnan(value) or rounded(value) == float(f"{value:.5e}")
    first_digits, exponents = 9 * 10**5, 308 + 324 + 1
    assert 2 * first_digits * exponents + 4 < 2**32


@pytest.mark.parametrize("name", [PATIENT, "more-metrics", "metrics2", ""])
def test_an_app_cannot_choose_the_name_of_a_record(name: str) -> None:
    assert "a name that" in refused(reply(RecordDict({name: MetricRecord({"train_loss": 1.0})})))


def test_a_config_does_not_leave() -> None:
    content = RecordDict({"metrics": ConfigRecord({"train_loss": 1.0})})
    assert "a name that" in refused(reply(content))


@pytest.mark.parametrize(
    "change",
    [
        {"note": PATIENT},
        {"round": -1},
        {"round": 2**31},
        {"round": True},
        {"round": 1.5},
        {"model": PATIENT},
        {"model": "ab" * 33},
        {"model": b"ab"},
        {"model": ["ab"]},
        {"outcome": PATIENT},
        {"study": "x" * 65},
        {"study": PATIENT},
        {"study": "cardio\n"},
        {"study": 3},
        {"contributors": 256},
        {"contributors": 3.0},
        {"in_sum": 1},
        {"in_sum": PATIENT},
    ],
)
def test_a_field_of_a_receipt_has_its_form(change: dict[str, Any]) -> None:
    assert "receipt" in refused(reply(good(quorate=receipt(**change))))


def test_a_receipt_without_a_field_is_refused() -> None:
    left = ConfigRecord({k: v for k, v in receipt().items() if k != "model"})
    assert "other fields" in refused(reply(good(quorate=left)))


def test_the_receipt_is_that_of_quorate_mod() -> None:
    assert set(receipt()) == {field.name for field in fields(Receipt)}
    assert Receipt.read(good()) is not None


@pytest.mark.parametrize("change", [{"code": 5}, {"more": 1}])
def test_a_status_is_good_or_refused(change: dict[str, Any]) -> None:
    fields_of_it: dict[str, Any] = {"code": 0, "message": ""}
    status = ConfigRecord(fields_of_it | change)
    assert "a name that" in refused(reply(RecordDict({"fitres.status": status})))


def test_the_text_of_a_status_does_not_leave() -> None:
    status = ConfigRecord({"code": 0, "message": PATIENT})
    found = judged(reply(RecordDict({"fitres.status": status})))
    assert isinstance(found, RecordDict)
    assert dict(found["fitres.status"]) == {"code": 0, "message": ""}


def test_of_an_error_its_code_leaves_alone() -> None:
    for code, told in ((2, 2), (123456789, 0), (-1, 0)):
        found = judged(reply(Error(code, PATIENT)))
        assert found == Failure(told, "the app fails. The log of its SuperNode says more")


@pytest.mark.parametrize("kind", QuorateError.__subclasses__())
def test_of_an_error_of_the_mod_its_kind_leaves_too(kind: type[QuorateError]) -> None:
    found = judged(reply(Error(6, f"quorate: {PATIENT} [{kind.__name__}]")))
    assert isinstance(found, Failure)
    assert PATIENT not in found.text
    assert found.text != "the app fails. The log of its SuperNode says more"


def test_fields_that_flower_does_not_know_do_not_leave() -> None:
    value = MetricRecordValue(double=0.25).SerializeToString()
    hidden = b"\xfa\x01" + bytes([len(PATIENT)]) + PATIENT.encode()
    item = b"\x0a\x0atrain_loss\x12" + bytes([len(value)]) + value + hidden
    body = b"\x0a" + bytes([len(item)]) + item + hidden
    assert ProtoMetricRecord.FromString(body).items[0].value.double == 0.25
    found = judged(assembled({"metrics": made("MetricRecord", [], body)}))
    assert isinstance(found, RecordDict)
    assert PATIENT.encode() not in b"".join(o for o in reply(found).objects.values())


def test_the_order_of_names_does_not_leave() -> None:
    one = judged(metrics(train_loss=0.5, loss=0.25, **{"num-examples": 1}))
    two = judged(metrics(**{"num-examples": 1}, loss=0.25, train_loss=0.5))
    assert isinstance(one, RecordDict)
    assert isinstance(two, RecordDict)
    assert list(one["metrics"]) == list(two["metrics"])
    assert one["metrics"].object_id == two["metrics"].object_id


def test_a_name_that_comes_twice_is_refused() -> None:
    item = ProtoMetricRecord.Item(key="train_loss", value=MetricRecordValue(double=0.5))
    twice = ProtoMetricRecord(items=[item, item]).SerializeToString()
    assert "twice" in refused(assembled({"metrics": made("MetricRecord", [], twice)}))
    one = made("MetricRecord", [], b"")
    names = f'{{"metrics": "{one[0]}", "metrics": "{one[0]}"}}'.encode()
    assert "cannot be read" in refused(assembled({"metrics": one}, names))


def test_an_object_that_no_record_names_is_refused() -> None:
    pushed = reply(good())
    extra, content = made("ConfigRecord", [], PATIENT.encode())
    pushed.objects[extra] = content
    with pytest.raises(Refused, match="other objects"):
        judged(pushed)


def test_an_error_with_records_is_refused() -> None:
    pushed = reply(Error(6, ""))
    pushed.objects.update(reply(good()).objects)
    with pytest.raises(Refused, match="other objects"):
        judged(pushed)


def test_an_object_under_another_id_is_refused() -> None:
    pushed = reply(good())
    pushed.objects[pushed.root] = b"Message  0\0"
    with pytest.raises(Refused, match="does not have the SHA-256"):
        judged(pushed)


def test_a_missing_object_is_refused() -> None:
    pushed = reply(good())
    for name in set(pushed.objects) - {pushed.root}:
        left = {one: content for one, content in pushed.objects.items() if one != name}
        with pytest.raises((Refused, KeyError)) as caught:
            judge(pushed.root, left, LISTED)
        assert caught.type is Refused


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"MetricRecord",
        b"MetricRecord  0",
        b"MetricRecord  5\0abc",
        b"MetricRecord  03\0abc",
        b"MetricRecord   3\0abc",
        b"MetricRecord x 3\0abc",
        b"MetricRecord\t\t3\0abc",
        b"\xff\xfe  3\0abc",
    ],
)
def test_what_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(Refused, match=r"cannot be read|no SHA-256|unknown"):
        check_object(hashlib.sha256(content).hexdigest(), content)


@pytest.mark.parametrize("names", [b"[]", b"{", b"[" * 16000, b'{"metrics": 1}', b"\xff"])
def test_names_that_cannot_be_read_are_refused(names: bytes) -> None:
    refused(assembled({"metrics": made("MetricRecord", [], b"")}, names))


def test_records_with_children_are_refused() -> None:
    leaf = made("MetricRecord", [], b"")
    body = ProtoMetricRecord().SerializeToString()
    assert "children" in refused(assembled({"metrics": made("MetricRecord", [leaf[0]], body)}))


def test_an_id_that_is_no_hash_is_refused() -> None:
    for name in (PATIENT, "A" * 64, "0" * 63, "0" * 64 + "\n"):
        with pytest.raises(Refused, match="no SHA-256"):
            object_ids(ObjectTree(object_id=name))


def test_the_names_of_records_are_those_of_their_objects() -> None:
    one, other = made("MetricRecord", [], b""), made("ConfigRecord", [], b"")
    names = json.dumps({"metrics": other[0]}).encode()
    assert "not those" in refused(assembled({"metrics": one}, names))
