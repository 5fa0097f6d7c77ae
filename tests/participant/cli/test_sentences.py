"""Every error of ours has a sentence: one line, who and what, and what to do."""

import dataclasses
import inspect
import itertools
import re
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from keyshare.errors import KeyshareError, PlacedError, UnfitNumber
from participant.cli.sentences.errors import SENTENCES, describe
from participant.cli.sentences.sentence import ABORTED, FAILED, REFUSED, Context
from participant.errors import (
    BadApp,
    IdentityInUse,
    Interrupted,
    MissingFile,
    NoStart,
    NotApproved,
    NotInStudy,
    NotStated,
    OtherApp,
    OtherPlan,
    OutOfTime,
    ParticipantError,
    RejectedByAggregator,
    StudyEnded,
    StudyTaken,
    UnfitNumbers,
    UnknownStudy,
    UnpinnedApp,
    VectorsGone,
)
from participant.handover import AnotherHandover, HandoverGivenUp
from participant.waiting import Waiting
from participant.words.fingerprint import fingerprint
from protocol.errors import BadEntry, CeremonyFailed, Fork, ProtocolError, Refused, UnsignedTerms
from tests.stage.toy import toy_federation

SAMPLES: dict[str, Any] = {
    "int": 2,
    "int | None": 2,
    "float": 2.5,
    "float | str": 2.5,
    "bool": True,
    "str": "something",
    "str | None": "something",
    "bytes": bytes(32),
    "Path": Path("a/file"),
    "Path | str": Path("a/file"),
    "dict[int, str]": {2: "deal: its seed gives something else"},
    "dict[int, int]": {2: 17},
    "list[int]": [1, 2],
    "object": (2.5, 7),
    "list[str]": ["H1", "H2"],
    "tuple[int, ...]": (1, 2),
    "tuple[str, ...]": ("H1", "H2"),
    "tuple[tuple[int, ...], str]": ((2,), "in step deal, no more"),
    "Waiting": Waiting("statements", (1,), {"session": "study/cardio/2"}),
    "dict[str, tuple[str | int, str | int]]": {"epoch": (1, 2)},
    "dict[str, object]": {
        "members": ["H1"],
        "agreeing": 1,
        "needed": 2,
        "entries": [],
        "run": "flower/1",
        "runs": [{"member": "H1", "run": "flower/2"}],
        "study": "cardio",
        "rounds": ["first/1"],
        "studies": ["first"],
    },
}


def subclasses(base: type[Exception]) -> Iterator[type[Exception]]:
    for found in base.__subclasses__():
        yield found
        yield from subclasses(found)


def ours() -> list[type[Exception]]:
    bases = (KeyshareError, ProtocolError, ParticipantError)
    packages = ("keyshare", "protocol", "participant")
    found = {e for base in bases for e in subclasses(base)}
    raised = (e for e in found - {PlacedError} if e.__module__.startswith(packages))
    return sorted(raised, key=lambda e: e.__name__)


def samples(error: type[Exception], known: Mapping[Any, Any] = SAMPLES) -> Iterator[Any]:
    """Instances made from the annotations of its fields: one for each value of a Literal.

    What may be left out is given and left out.
    """
    found = dataclasses.fields(error)  # type: ignore[arg-type]
    hints = get_type_hints(error)
    values = [
        get_args(hints[f.name]) if get_origin(hints[f.name]) is Literal else [known[_spelt(f.type)]]
        for f in found
    ]
    given = itertools.product(*values)
    needed = sum(f.default is dataclasses.MISSING for f in found)
    for of_all in given:
        yield error(*of_all)
        yield error(*of_all[:needed])


def _spelt(annotation: Any) -> str:
    """An annotation as a class has it in its text, whether it was evaluated there or not."""
    return re.sub(r"\b\w+\.", "", inspect.formatannotation(annotation)).strip("'")


def context() -> Context:
    return Context(Path("home"), Path("federation.toml"), toy_federation().terms)


@pytest.mark.parametrize("error", ours())
def test_every_error_has_a_sentence(error: type[Exception]) -> None:
    for one in samples(error):
        said = describe(one, context())
        for line in (said.what, said.remedy):
            assert line
            assert "\n" not in line
            assert not [f for _, f, _, _ in string.Formatter().parse(line) if f]
        assert said.exit_code


@pytest.mark.parametrize("error", ours())
def test_no_error_shows_bytes_as_python_writes_them(error: type[Exception]) -> None:
    for one in samples(error):
        said = describe(one, context())
        assert not [text for text in (str(one), said.what, said.remedy) if "b'" in text]


def test_no_sentence_is_for_an_error_that_is_gone() -> None:
    assert set(SENTENCES) == set(ours())


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (
            Refused("cardio/7", "min-contributors", 0, "only one"),
            REFUSED,
            ["min-contributors", "cardio/7"],
        ),
        (Refused("cardio/7", "repeated-ciphertext", 2, "twice"), REFUSED, ["H2"]),
        (Fork(12, "another one"), ABORTED, ["entry 12"]),
        (BadEntry(12, 3, "its signature"), ABORTED, ["entry 12", "H3"]),
        (BadEntry(12, 0, "its signature"), ABORTED, ["the aggregator"]),
        (CeremonyFailed(4, "units", "does not open"), ABORTED, ["H4", "units"]),
        (CeremonyFailed(0, "units", "does not open"), ABORTED, ["nobody"]),
        (IdentityInUse(3, "study/cardio/1"), ABORTED, ["entry 3"]),
        (RejectedByAggregator("fork", "x"), ABORTED, ["fork"]),
        (RejectedByAggregator("identity-in-use", "since noon"), FAILED, ["since noon"]),
        (RejectedByAggregator("missing-blob", "blob 00"), FAILED, ["does not have", "blob 00"]),
        (
            OutOfTime(5, Waiting("contributions", (1, 5), {"session": "study/cardio/2"})),
            FAILED,
            ["H1, H5", "5 s"],
        ),
        (
            OutOfTime(5, Waiting("opening", (0,), {"session": "study/cardio/2"})),
            FAILED,
            ["the aggregator"],
        ),
        (Interrupted(2), 130, ["SIGINT"]),
        (Interrupted(15), 143, ["SIGTERM"]),
        (BadApp("fit", "ValueError"), FAILED, ["fit"]),
        (UnfitNumber("number 2 is too large"), FAILED, ["number 2"]),
        (UnknownStudy("cardio", ("ages", "digits")), FAILED, ["cardio", "ages, digits"]),
        (UnknownStudy("cardio", ()), FAILED, ["There is none yet"]),
        (StudyTaken("cardio", "H2"), FAILED, ["cardio", "H2"]),
        (NotInStudy("cardio", "H3"), FAILED, ["H3", "cardio"]),
        (NotApproved("cardio", "contribute"), REFUSED, ["has not approved", "contribute"]),
        (NotApproved("cardio", "open", True), REFUSED, ["has withdrawn", "open"]),
        (OtherPlan("cardio", b"a" * 32, b"b" * 32), REFUSED, ["61" * 32, "62" * 32]),
        (UnpinnedApp("cardio"), REFUSED, ["cardio"]),
        (OtherApp("c", "a.py", "plan", b"a" * 32, b"b" * 32), REFUSED, ["61" * 32, "62" * 32]),
        (OtherApp("c", "App", "approval", b"a" * 32, b""), REFUSED, ["no file", "approved here"]),
        (StudyEnded("cardio", ("H1", "H2"), 3), FAILED, ["H1, H2", "round 3"]),
        (NoStart("c", "b/7", "it is gone", "studies/b/m"), FAILED, ["of b/7, which", "it is gone"]),
        (VectorsGone("c/7", 3, False, "studies/c/m"), FAILED, ["c/7", "the last 3 rounds"]),
        (VectorsGone("c/7", 3, True, "studies/c/m"), FAILED, ["ask its operator"]),
        (NotStated("c/7", "studies/c/m", 4), FAILED, ["c/7", "4 hospitals"]),
        (UnfitNumbers("n.csv", "2 numbers", "ask"), FAILED, ["n.csv", "2 numbers"]),
        (
            HandoverGivenUp("handover/1", ["H2", ""], ["a lie", "no sum"], "deal", ["H3"], False),
            FAILED,
            ["handover/1 was given up", ": H2: a lie. nobody in particular: no sum"],
        ),
        (
            AnotherHandover("handover/1", bytes(32)),
            FAILED,
            ["handover/1 is under way", f"fingerprint {fingerprint(bytes(32))}"],
        ),
        (
            HandoverGivenUp("handover/1", [], [], "deal", ["H3"], False),
            FAILED,
            [": not all dealers had dealt. Nothing came from H3"],
        ),
        (
            HandoverGivenUp("handover/1", [], [], "show", ["H3"], True),
            FAILED,
            ["they were: more sums were opened than a new board takes over"],
        ),
    ],
)
def test_a_sentence_names_who_and_what(error: Exception, exit_code: int, words: list[str]) -> None:
    said = describe(error, context())
    assert said.exit_code == exit_code
    assert all(word in said.what for word in words), said.what


def test_missing_and_unfitting_signatures_are_told_apart() -> None:
    said = describe(UnsignedTerms(["H2"], ["H4"]), context())
    assert "H2 is missing" in said.what
    assert "H4 does not fit" in said.what
    assert "terms sign federation.toml" in said.remedy


@pytest.mark.parametrize(
    ("what", "remedy"),
    [("identity", "init --name"), ("terms", "terms new"), ("app", "check the path")],
)
def test_a_missing_file_has_the_remedy_of_its_kind(what: str, remedy: str) -> None:
    said = describe(MissingFile(Path("a/file"), what), context())
    assert said.what == f"no {what} at a/file: no such file"
    assert remedy in said.remedy


def test_numbers_that_do_not_fit_bring_their_remedy() -> None:
    said = describe(UnfitNumbers("n.csv", "2 numbers", "ask them"), context())
    assert said.remedy == "ask them. No number was sent"


def test_a_model_to_start_from_has_its_place_in_the_folder_of_the_federation() -> None:
    place, folder = "studies/c/model-0.safetensors", toy_federation().terms.federation.hex()[:16]
    said = describe(NoStart("c", "b/7", "it is gone", place), context())
    assert said.remedy.endswith(f"home/{folder}/{place}")
