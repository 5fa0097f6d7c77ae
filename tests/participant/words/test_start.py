"""Where a study begins, as people read it before they approve."""

from participant.cli.views.plan import plan_lines
from participant.words.fingerprint import fingerprint
from participant.words.start import start_words
from protocol.messages.plan import Training
from protocol.terms.predecessor import Predecessor
from tests.stage.studies import training_study
from tests.stage.toy import replace_terms, toy_federation

BEFORE, EARLIER = b"f" * 32, b"g" * 32
TERMS = replace_terms(toy_federation(5, 3).terms, predecessor=Predecessor(BEFORE, "handover"))


def words(study: str = "", number: int = 0, federation: bytes = b"") -> str:
    return start_words(
        Training(5, 8.0, 24, 9, "auto", "examples", study, number, federation), TERMS, "none"
    )


def test_a_start_is_named_with_its_federation_unless_it_is_this_one() -> None:
    assert words() == "none"
    assert words("cardio", 7) == "the model of cardio after round 7"
    assert words("cardio", 7, BEFORE).endswith("round 7, of the federation before this one")
    assert words("cardio", 7, EARLIER).endswith(f"with the fingerprint {fingerprint(EARLIER)}")


def test_who_is_to_approve_a_study_sees_where_it_starts() -> None:
    start = {"start_study": "cardio", "start_round": 7, "start_federation": BEFORE}
    study = training_study(TERMS, **start)  # type: ignore[arg-type]
    assert "of the federation before this one" in " ".join(plan_lines(study))
