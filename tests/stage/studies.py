"""Studies for toy federations: plans, and what puts them on a board with everybody's approval."""

from collections.abc import Iterator, Sequence
from typing import Any

from protocol.board.draft import Draft
from protocol.board.study import Study
from protocol.messages.plan import Approval, Plan, Statistic, Training
from protocol.messages.session import round_session
from protocol.terms.terms import Terms

STUDY = "cardio"  # a training study, where no other is asked for
STATISTIC = "age"
SESSION = round_session(STUDY, 1)
SECONDS = 10


def training_plan(terms: Terms, **changes: Any) -> Plan:
    """Five packed rounds of all members; ``changes`` are to fields of the plan or of its work."""
    work = {"rounds": 5, "clip": 8.0, "bits": 24, "max_examples": 1_000, "suite": "paillier"}
    work |= {k: changes.pop(k) for k in [*changes] if k in Training.__struct_fields__}
    return _plan(terms, Training(**work), **changes)  # type: ignore[arg-type]


def statistic_plan(terms: Terms, length: int = 2, **changes: Any) -> Plan:
    """Whole numbers over the data ``patients``; ``changes`` as for training."""
    work = {"length": length, "decimals": 0, "data": "patients"}
    work |= {k: changes.pop(k) for k in [*changes] if k in Statistic.__struct_fields__}
    return _plan(terms, Statistic(**work), **changes)  # type: ignore[arg-type]


def _plan(terms: Terms, work: Training | Statistic, **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "purpose": "A test.",
        "members": tuple(range(1, terms.n_members + 1)),
        "least_contributors": terms.least_contributors,
        "seconds": SECONDS,
        "work": work,
    }
    return Plan(**(fields | changes))


def training_study(terms: Terms, name: str = STUDY, **changes: Any) -> Study:
    """A study with such a plan; on no board yet."""
    return Study(terms, name, training_plan(terms, **changes))


def statistic_study(terms: Terms, length: int = 2, name: str = STATISTIC, **changes: Any) -> Study:
    """The same for a statistic."""
    return Study(terms, name, statistic_plan(terms, length, **changes))


def proposal(study: Study) -> Draft:
    """The post that proposes a study."""
    return Draft(study.session, study.plan)


def approval(study: Study, contribute: bool = True, opens: bool = True) -> Draft:
    """A member's approval of a study."""
    return Draft(study.session, Approval(study.digest, contribute, opens))


def founding(
    study: Study, proposer: int = 1, approving: Sequence[int] | None = None
) -> Iterator[tuple[int, Draft]]:
    """By sender, what begins a study: its plan, and the approvals of all members or of some.

    Who is none of its members approves to open.
    """
    yield proposer, proposal(study)
    everybody = range(1, study.terms.n_members + 1)
    for member in everybody if approving is None else approving:
        yield member, approval(study, contribute=member in study.members)
