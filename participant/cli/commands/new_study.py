"""What ``study new`` is given: the plan of a study that is to be, an option a field."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer
from gmpy2 import mpz
from typer import Option

from participant.app import hash_of_app
from participant.home import read_terms
from participant.statistic import read_numbers
from protocol.board import Study
from protocol.errors import BadPlan
from protocol.messages import Plan, Statistic, Training
from protocol.study import read_start
from protocol.terms import Terms, normal
from protocol.words import shown

_TRAINING, _STATISTIC = "training", "statistic"
_ONLY: dict[str, tuple[str, ...]] = {
    _TRAINING: (
        "rounds", "clip", "bits", "max_examples", "weights", "suite", "start", "old", "app",
        "run", "keep_vectors",
    ),
    _STATISTIC: ("data", "numbers", "label", "length", "decimals"),
}  # fmt: skip
_NAMED_OTHERWISE = {"members": "member", "labels": "label", "start_federation": "old"}
_SECONDS = {_TRAINING: 600, _STATISTIC: 3_600}
_ROUNDS, _CLIP, _BITS, _MAX_EXAMPLES, _KEEP = 10, 8.0, 32, 100_000, 10
_NO_KEY = mpz(1)  # no number that phe encrypted is under it


@dataclass(frozen=True)
class NewStudy:
    """The options; what is left out takes the value that most studies have."""

    kind: Annotated[str, Option(help="training or statistic.")]
    purpose: Annotated[str, Option(help="What it is for: hospitals read it before they approve.")]
    name: Annotated[
        str, Option(help="The study's name, never used again. Left out, the file's without .toml.")
    ] = ""
    member: Annotated[
        list[str] | None, Option(help="A hospital that may contribute, once for each. Else all.")
    ] = None
    least_contributors: Annotated[
        int | None, Option(help="Fewest hospitals in a sum, else as the federation's floor is.")
    ] = None
    seconds: Annotated[
        int | None, Option(help="How long a round waits for the last hospital, else 600 or 3600.")
    ] = None
    rounds: Annotated[int | None, Option(help="Rounds, else 10.")] = None
    clip: Annotated[
        float | None,
        Option(help="Largest change of a weight, else 8. A larger update stays at home."),
    ] = None
    bits: Annotated[int | None, Option(help="Bits of a weight, 8 to 40, else 32.")] = None
    max_examples: Annotated[
        int | None, Option(help="Most examples of one hospital, else 100000.")
    ] = None
    weights: Annotated[
        str | None, Option(help="examples: a hospital counts by its examples, or equal.")
    ] = None
    suite: Annotated[
        str | None, Option(help="How updates are encrypted: auto takes the cheaper one.")
    ] = None
    start: Annotated[
        str | None, Option(metavar="STUDY/ROUND", help="Start from another study's model.")
    ] = None
    old: Annotated[
        Path | None,
        Option(metavar="FEDERATION", help="The terms before, if --start is a study under those."),
    ] = None
    app: Annotated[
        Path | None, Option(help="Pin this app, a file or a folder: hospitals run no other.")
    ] = None
    run: Annotated[
        str | None, Option(metavar="RUN", help="Of a framework, such as flower/1234: no other.")
    ] = None
    keep_vectors: Annotated[
        int | None, Option(help="Of how many rounds the aggregator keeps the vectors, else 10.")
    ] = None
    data: Annotated[
        str | None, Option(help="Name of the data. Statistics over one name are compared.")
    ] = None
    numbers: Annotated[
        Path | None, Option(help="File whose labels and decimals the statistic takes.")
    ] = None
    label: Annotated[
        list[str] | None, Option(help="What a number is, in clear; once for each number.")
    ] = None
    length: Annotated[int | None, Option(help="How many numbers, where they have no labels.")] = (
        None
    )
    decimals: Annotated[int | None, Option(help="Digits after the point, else 0.")] = None

    def study(self, file: Path, terms: Terms) -> Study:
        """The study, unchecked but for what no plan can hold; raises BadPlan and what files do."""
        if self.kind not in _ONLY:
            raise BadPlan("kind", f"{shown(self.kind)}, and it must be training or statistic")
        self._check_kind()
        work = self._training() if self.kind == _TRAINING else self._statistic()
        numbers = {member.name: k for k, member in enumerate(terms.members, start=1)}
        names = [normal(name) for name in self.member or numbers]
        for name in names:
            if name not in numbers:
                known = ", ".join(numbers)
                raise BadPlan("members", f"{shown(name)} is no member. They are {known}")
        least = self.least_contributors
        plan = Plan(
            purpose=normal(self.purpose.strip()),
            members=tuple(sorted(numbers[name] for name in names)),
            least_contributors=terms.least_contributors if least is None else least,
            seconds=_SECONDS[self.kind] if self.seconds is None else self.seconds,
            work=work,
        )
        return Study(terms, self.name or file.stem, plan)

    def _check_kind(self) -> None:
        """Options of the other kind contradict this one."""
        (other,) = (kind for kind in _ONLY if kind != self.kind)
        for name in _ONLY[other]:
            if getattr(self, name) is not None:
                option = f"--{name.replace('_', '-')}"
                reason = f"it is of a {other}, and --kind says {self.kind}"
                raise typer.BadParameter(reason, param_hint=option)

    def _training(self) -> Training:
        is_equal = self.weights == "equal"
        most = 1 if is_equal else _MAX_EXAMPLES
        start_study, start_round = read_start(self.start) if self.start is not None else ("", 0)
        return Training(
            rounds=_ROUNDS if self.rounds is None else self.rounds,
            clip=_CLIP if self.clip is None else self.clip,
            bits=_BITS if self.bits is None else self.bits,
            max_examples=most if self.max_examples is None else self.max_examples,
            suite=self.suite or "auto",  # type: ignore[arg-type]  # checked with all the rest
            weights=self.weights or "examples",  # type: ignore[arg-type]  # likewise
            start_study=start_study,
            start_round=start_round,
            start_federation=b"" if self.old is None else read_terms(self.old).terms.federation,
            app=hash_of_app(self.app) if self.app is not None else b"",
            run=self.run or "",
            keep_vectors=_KEEP if self.keep_vectors is None else self.keep_vectors,
        )

    def _statistic(self) -> Statistic:
        if self.data is None:
            raise BadPlan("statistic.data", "it is missing. Say what the numbers are computed from")
        labels, decimals = tuple(map(normal, self.label or ())), 0
        length = len(labels)
        if self.numbers is not None:
            if labels or self.length is not None:
                option = "--label" if labels else "--length"
                raise typer.BadParameter("--numbers says that already", param_hint=option)
            found = read_numbers(self.numbers, _NO_KEY)
            labels, length, decimals = found.labels, len(found.values), max(found.decimals, 0)
        length = length if self.length is None else self.length
        if not length:
            reason = "it is missing. Say how many numbers, or give --label or --numbers"
            raise BadPlan("statistic.length", reason)
        given = self.decimals
        return Statistic(length, decimals if given is None else given, self.data, labels)


def option_of(field: str) -> str:
    """The option that gives a field of a plan (``training.clip``); empty if none does."""
    field = field.partition("[")[0].rpartition(".")[2]
    name = _NAMED_OTHERWISE.get(field, field)
    given = {f.name for f in fields(NewStudy)}
    return f"--{name.replace('_', '-')}" if name in given else ""
