"""Decoders stay fuzzed without atheris: what was found once, and some changed messages each."""

import random
import re
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

import tests.fuzz.targets.texts as texts
from protocol.board.post import Post
from protocol.encoding import decode
from protocol.errors import Malformed
from protocol.messages.bodies import Body
from protocol.messages.fields import MAX_POST_BYTES
from protocol.wire import frames as wire
from tests.fuzz.mutate import spoilt
from tests.fuzz.target import Case, Target
from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
FOUND = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
ROOT = Path(__file__).parents[2]
# What reads bytes, files or texts of others.
_DECODES = re.compile(
    r"(?<!def )(?<!\.)\bdecode\(|json\.(loads|decode)\(|(tomllib\.loads|read_toml)\(|fromhex\("
    r"|sqlite3\.connect\(|load_(pem|der)_\w+\(|file\.read\(|read_bytes\(|os\.pread\(|unpack_numbers\("
)
# These decode nothing of their own: what they read is read by a target of another module, or is the
# code or the key that they were given, and is compared with its name before it is used.
_ELSEWHERE = {
    "protocol.encoding": "decode itself, under all targets",
    "protocol.ceremony.key_steps": "ceremony-step",
    "protocol.ceremony.step": "ceremony-step",
    "protocol.ceremony.winner_steps": "ceremony-step",
    "participant.app.module": "compares a file's first bytes with a mark",
    "participant.disk.files": "reads for all others",
    "protocol.terms.toml_text": "terms, and all other files in TOML",
    "aggregator.board.kept": "entries, whose hashes are compared first; board and post",
    "aggregator.store.blobs": "compared with its name before it is used",
    "aggregator.store.blob_folder": "compared with its name before it is used",
    "aggregator.objects.bucket": "compared with its name before it is used",
    "aggregator.server.aggregation": "terms: the aggregator parses the same text",
    "aggregator.record.output": "reads back the files of a record, for protocol.record",
    "protocol.record.audit.observed.chain": "audit",
    "participant.cli.commands.verify": "a command's own option, which must have one form",
}


def prepared(target: Target) -> Case:
    case = target.prepare()
    assert case.seeds
    assert all(len(seed) <= target.limit for seed in case.seeds)
    return case


def changed(case: Case, target: Target, number: int) -> bytes:
    """The message that a number stands for."""
    chance = random.Random(number)

    def spoil(data: bytes, limit: int) -> bytes:
        return spoilt(data, limit, chance)

    data = chance.choice(case.seeds)
    for _ in range(chance.choice((1, 1, 2, 4))):
        data = case.mutate(data, target.limit, chance, spoil)
    return data


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_changed_message_brings_a_decoder_down(name: str) -> None:
    target = TARGETS[name]
    case = prepared(target)
    for seed in case.seeds:
        case.run(seed)

    @settings(max_examples=150, derandomize=True, database=None)
    @given(st.integers(0, (1 << 64) - 1))
    def fuzz(number: int) -> None:
        data = changed(case, target, number)
        note(repr(data))
        case.run(data)

    fuzz()


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_once_is_refused(path: Path) -> None:
    TARGETS[path.parent.name].prepare().run(path.read_bytes())


def test_every_kind_of_body_is_fuzzed() -> None:
    case = TARGETS["post"].prepare()
    kinds = {type(decode(seed, Post, "post", MAX_POST_BYTES).body) for seed in case.seeds}
    assert kinds == set(get_args(Body))


def test_every_kind_of_frame_is_fuzzed() -> None:
    members, aggregators = (
        {type(read(seed)) for seed in TARGETS[name].prepare().seeds}
        for name, read in (
            ("frame-from-member", wire.decode_from_member),
            ("frame-from-aggregator", wire.decode_from_aggregator),
        )
    )
    assert members == set(get_args(wire.FromMember))
    assert aggregators == set(get_args(wire.FromAggregator))


def test_changed_messages_get_beyond_the_canonical_form() -> None:
    target = TARGETS["post"]
    case, accepted = target.prepare(), 0
    for number in range(300):
        try:
            decode(changed(case, target, number), Post, "post", MAX_POST_BYTES)
            accepted += 1
        except Malformed:
            pass
    assert accepted > 50


def test_an_error_that_is_not_documented_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    case = TARGETS["terms"].prepare()

    def read_terms(path: Path) -> None:
        raise KeyError("quorum")

    monkeypatch.setattr(texts, "read_terms", read_terms)
    with pytest.raises(KeyError):
        case.run(case.seeds[0])


def test_every_module_that_decodes_has_a_target() -> None:
    named = " ".join(target.decoder for target in TARGETS.values())
    missing, unneeded = [], set(_ELSEWHERE)
    for package in ("keyshare", "protocol", "participant", "aggregator"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if not _DECODES.search(path.read_text()):
                continue
            unneeded.discard(module)
            if module not in named and module not in _ELSEWHERE:
                missing.append(module)
    assert not missing
    assert not unneeded
