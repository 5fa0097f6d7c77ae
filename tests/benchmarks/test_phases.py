"""Phases of a ceremony, from the times of posts."""

from itertools import count

import pytest

from benchmarks.phases import board_rounds, phase_seconds
from protocol.board.post import Post, Posted
from protocol.messages.bodies import Body
from protocol.messages.ceremony import Abort, Certificate, Join, Step

_NUMBER = count(1)


def said(body: Body, ms: int, sender: int = 1) -> Posted:
    post = Post(bytes(32), "ceremony/1", sender, 0, 0, bytes(32), body)
    return Posted(next(_NUMBER), bytes(32), ms, post, bytes(32))


def test_a_round_ends_with_its_last_post_and_phases_fill_the_whole_time() -> None:
    posts = [
        said(Join(b"", bytes(32)), 10_000, 1),
        said(Join(b"", bytes(32)), 12_000, 2),
        said(Step("deal", 0, 0, ()), 12_500, 1),
        said(Step("deal", 0, 0, ()), 13_000, 2),
        said(Certificate(bytes(32), b""), 13_250),
    ]
    seconds = phase_seconds(board_rounds(posts), began=9.0, ended=14.0)
    assert seconds == pytest.approx(
        {"starting": 3.0, "deal": 1.0, "certificate": 0.25, "ending": 0.75}
    )
    assert sum(seconds.values()) == pytest.approx(5.0)


def test_a_commitment_is_a_round_of_the_phase_that_it_belongs_to() -> None:
    posts = [
        said(Join(b"", bytes(32)), 1_000),
        said(Step("moduli-commit", 0, 0, ()), 1_100),
        said(Step("moduli", 0, 0, ()), 1_300),
        said(Step("moduli-commit", 1, 0, ()), 1_600),
        said(Step("moduli", 1, 0, ()), 2_000),
    ]
    rounds = board_rounds(posts)
    assert len(rounds) == 5
    seconds = phase_seconds(rounds, began=1.0, ended=2.0)
    assert seconds == pytest.approx({"starting": 0.0, "moduli": 1.0, "ending": 0.0})


def test_rounds_that_overlap_share_no_time() -> None:
    posts = [
        said(Step("first", 0, 0, ()), 1_000, 1),
        said(Step("deal", 1, 0, ()), 1_200, 1),
        said(Step("deal", 1, 0, ()), 1_500, 2),
        said(Step("first", 0, 0, ()), 2_000, 2),
    ]
    seconds = phase_seconds(board_rounds(posts), began=1.0, ended=2.0)
    assert seconds == pytest.approx({"deal": 0.5, "first": 0.5, "ending": 0.0})


def test_an_abort_is_no_round() -> None:
    assert board_rounds([said(Abort(0, "moduli", "why"), 1_000)]) == []
