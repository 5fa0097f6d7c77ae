"""What people read about a federation."""

import math
from typing import Any

from aggregator.status.text import render
from keyshare.ceremony.modulus import expected_candidates
from protocol.ceremony.expectation import layout_of
from protocol.messages.ceremony import Abort, Join, Step
from protocol.messages.rounds import Complaint, Refusal, SetLock
from protocol.words.foreign import line
from tests.stage.desk import Desk
from tests.stage.studies import SESSION


def text(desk: Desk, connected: dict[int, str] | None = None, since: str | None = None) -> str:
    report: dict[str, Any] = desk.service.status(connected or {})
    return "\n".join(map(line, render(report, since)))


def test_it_begins_with_the_federation_and_whether_the_service_runs(desk: Desk) -> None:
    assert text(desk).splitlines()[0] == "Toy: service not running, 0 entries"
    assert text(desk, since="noon").splitlines()[0] == "Toy: service running since noon, 0 entries"


def test_it_tells_who_is_here_and_who_is_missing_since_when(desk: Desk) -> None:
    desk.propose(2)
    lines = text(desk, {1: "noon"}).splitlines()
    assert lines[1] == "  1  H1  connected since noon"
    assert lines[2].startswith("  2  H2  missing, last heard 1970-01-01T00:16:40")
    assert lines[3] == "  3  H3  missing, never heard"


def test_a_ceremony_waits_for_those_who_have_not_spoken(desk: Desk) -> None:
    assert "ceremony: not begun" in text(desk)
    desk.say(1, "ceremony/1", Join(b"k" * 32, bytes(32)))
    assert "ceremony/1: at join, waiting for H2, H3 since 1970" in text(desk)


def searched(desk: Desk, batch: int, step: str) -> str:
    """All have joined at once, and are in a batch, 15 s for each batch later."""
    for member in desk.federation.members:
        desk.say(member, "ceremony/1", Join(b"k" * 32, bytes(32)))
    desk.time_ms += 15_000 * batch
    desk.deal(batch)
    for name in ("moduli-commit", step):
        desk.say(1, "ceremony/1", Step(name, batch, 0, ()))
    return text(desk).splitlines()[4]


def tried(desk: Desk, batches: int) -> str:
    terms = desk.federation.terms
    expected = math.ceil(expected_candidates(terms.key_bits, terms.n_members))
    candidates = batches * layout_of(terms).batch_size
    return f"{candidates} candidates tried (about {expected} expected)"


def test_the_first_batch_has_its_time_and_no_forecast(desk: Desk) -> None:
    assert searched(desk, 0, "moduli").endswith(f"; 0 s since all have joined; {tried(desk, 0)}")


def test_a_search_tells_luck_and_what_remains_in_the_mean(desk: Desk) -> None:
    line = searched(desk, 6, "moduli")
    assert line.startswith("ceremony/1: at moduli (batch 7), waiting for H2, H3 since 1970")
    assert line.endswith(
        f"; 1:30 min since all have joined; {tried(desk, 6)}; "
        "95% of all ceremonies are done by now; about 38 s to go in the mean"
    )


def test_a_found_candidate_is_told(desk: Desk) -> None:
    line = searched(desk, 1, "winner-commit")
    assert line.startswith("ceremony/1: at winner (batch 2), waiting for H2 since")
    assert line.endswith(f"; {tried(desk, 2)}; a good candidate is found")


def test_an_aborted_ceremony_names_who_because_of_whom_and_why(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k" * 32, bytes(32)))
    desk.say(2, "ceremony/1", Abort(3, "join", "a bad key"))
    assert "ceremony/1: aborted by H2, because of H3 (a bad key)" in text(desk)


def test_a_ceremony_that_was_given_up_names_who_was_silent(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k" * 32, bytes(32)))
    desk.say(2, "ceremony/1", Abort(0, "deal", "it is late", (1, 3)))
    assert "ceremony/1: aborted by H2, for the silence of H1, H3 (it is late)" in text(desk)


def test_members_words_move_no_cursor(desk: Desk) -> None:
    desk.say(1, "ceremony/1", Join(b"k" * 32, bytes(32)))
    desk.say(2, "ceremony/1", Abort(0, "join", "\u202efine\u200b"))
    assert "aborted by H2 (\\u202efine\\u200b)" in text(desk)


def test_a_certified_key_is_told_with_its_size(desk: Desk) -> None:
    desk.certify()
    assert f"ceremony/1: complete, {desk.federation.terms.key_bits} bits" in text(desk)


def test_round_0_is_about_the_initial_model(desk: Desk) -> None:
    desk.state(desk.found_training().round(0), [3, 1])
    assert "cardio/0: the initial model is held by H3, H1" in text(desk)


def test_an_open_round_names_contributors_and_missing(desk: Desk) -> None:
    desk.open_training()
    desk.contribute(2, SESSION)
    assert "contributed: H2, missing: H1, H3" in text(desk)


def test_a_closed_round_tells_how_far_its_decryption_is(desk: Desk) -> None:
    desk.open_training()
    desk.fill(SESSION)
    desk.service.tick()
    desk.say(3, SESSION, Refusal("minimum", 0, "too few"))
    desk.say(1, SESSION, SetLock(bytes(32)))
    desk.say(1, SESSION, Complaint(bytes(32), 2, b""))
    found = text(desk)
    assert "cardio/1: closed 1970" in found
    assert "H1, H2, H3; 1 lock (2 needed), 0 partial decryptions (2 needed)" in found
    assert "H3 refused (minimum: too few)" in found
    entry = desk.service.board.head.position
    assert f"H1 complains of H2's partial decryption (entry {entry})" in found


def test_a_study_is_told_with_who_approves_it(desk: Desk) -> None:
    study = desk.found(desk.training(purpose="Risk of a stroke."), 1)
    desk.approve(study, 2, opens=False)
    found = text(desk)
    assert "study cardio, Risk of a stroke.; proposed by H1 at 1970" in found
    assert "waiting for approvals: 1 more to contribute and 1 more to help to open" in found
    assert "contribute: H1, H2; help to open: H1; not answered: H3" in found
    (line,) = [one for one in found.splitlines() if one.startswith("waiting for H3")]
    assert line.endswith("quorate-participant study approve cardio")
    assert "H2 withdrew or declined." in line


def test_an_open_study_is_told_with_its_round_and_an_ended_one_with_who_ended_it(
    desk: Desk,
) -> None:
    desk.open_training()
    assert "open, at round 1 of 3; contribute: H1, H2, H3" in text(desk)
    desk.end(desk.study(SESSION), 3, 1)
    found = text(desk)
    assert "ended after round 1;" in found
    assert "voted to end it (2 needed): H1, H3" in found
    assert "cardio/1: given up, contributed: nobody" in found


def test_who_is_waited_for_types_the_command_of_its_study(desk: Desk) -> None:
    session = desk.open_statistic()
    assert "they type: quorate-participant contribute --study age" in text(desk)
    desk.fill(session)
    desk.wait(0)
    assert "they type: quorate-participant decrypt --study age" in text(desk)
    desk.found_training()
    assert "they type: quorate-participant train --study cardio" in text(desk)


def test_members_at_different_models_are_shown(desk: Desk) -> None:
    study = desk.found_training()
    desk.state(study.round(0), [1], model=b"a" * 32)
    desk.state(study.round(0), [2], model=b"b" * 32)
    models = "H1 616161616161, H2 626262626262"
    assert f"its hospitals stand at different models: {models}" in text(desk)


def test_a_length_that_no_contribution_can_have_is_shown(desk: Desk) -> None:
    desk.certify()
    report: dict[str, Any] = desk.service.status({})
    report |= {"too_long": {"study/age/1": 100_000}, "rounds_not_shown": 7, "studies_not_shown": 1}
    found = "\n".join(render(report, None))
    assert "age/1: 100000 numbers are asked for, more than a contribution holds" in found
    assert "7 other rounds are not shown" in found
    assert "1 other study is not shown" in found
