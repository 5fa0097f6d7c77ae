"""The file of a study's plan (``cardio.toml``): members by name, numbers with their units.

Its comments say what each line decides. Reading and writing are inverse to each other but for
comments and the order of lines, which are not on the board.
"""

import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import tomli_w
from msgspec import Meta

from protocol.board import Study, check_plan, labels_bytes
from protocol.encoding import encode_binary
from protocol.errors import BadPlan
from protocol.messages import MAX_LABELS_BYTES, MAX_REASON, NAME, RUN, Plan, Statistic, Training
from protocol.terms import NotToml, Table, Terms, normal, read_toml
from protocol.words import is_plain, shown

_IS_NAME = re.compile(NAME)
_NAME_RULE = "it must be 1 to 64 of a-z, 0-9, dot, dash and underscore, a letter first"
_START = re.compile(rf"({NAME})/([1-9][0-9]{{0,8}})")
_HASH = re.compile(r"[0-9a-f]{64}")
_IS_RUN = re.compile(RUN)
_LABEL_LENGTH = 100
# What the TOML library says of a key or a table that is there twice.
_TWICE = re.compile(r"Cannot (?:overwrite a value|declare .* twice) \(at line (\d+)")


def parse_plan(text: str, terms: Terms) -> Study:
    """The study that a file plans, under the terms of its federation.

    Raises BadPlan, naming the field, on anything missing, unknown, there twice, of another type,
    out of range, contradictory, or below the federation's floors.
    """
    file = Table("", _document(text), BadPlan)
    name = _name("name", file.text("name"))
    kind = _one_of("kind", file.text("kind"), ("training", "statistic"))
    work_table = file.table(kind)
    work = _training(work_table, name) if kind == "training" else _statistic(work_table)
    plan = Plan(
        purpose=_purpose(file.text("purpose")),
        members=_members(file.texts("members"), terms),
        least_contributors=file.number("least_contributors"),
        seconds=_within(Plan, "seconds", file.number("seconds")),
        work=work,
    )
    file.finish()
    work_table.finish()
    try:
        check_plan(plan, terms)
    except BadPlan as error:
        in_work = error.field in type(work).__struct_fields__ or error.field == "start"
        raise BadPlan(f"{kind}.{error.field}" if in_work else error.field, error.reason) from None
    return Study(terms, name, plan)


def read_start(text: str, field: str = "training.start") -> tuple[str, int]:
    """The study and the round of ``STUDY/ROUND``; raises BadPlan on anything else."""
    found = _START.fullmatch(text)
    if not found:
        reason = f"{shown(text)}, and it must be STUDY/ROUND, such as cardio/7"
        raise BadPlan(field, reason)
    return found[1], int(found[2])


def _document(text: str) -> dict[str, Any]:
    try:
        return read_toml(text)
    except NotToml as error:
        reason = str(error)
    if found := _TWICE.match(reason):
        number = int(found[1])
        line = text.split("\n")[number - 1]
        field = shown(line.partition("=")[0].strip().strip("[]"))
        raise BadPlan(field or "file", f"it is there twice, again in line {number}. Keep one")
    raise BadPlan("file", f"not TOML: {shown(reason)}")


def _training(table: Table, name: str) -> Training:
    weights = _one_of("training.weights", table.text("weights", "examples"), ("examples", "equal"))
    start_study, start_round, before = "", 0, b""
    if table.has("start"):
        start_study, start_round = read_start(table.text("start"))
    if table.has("start_federation"):
        before = table.binary("start_federation", 32)
    if start_study == name and not before:
        raise BadPlan("training.start", f"{name} cannot start from itself. Name another study")
    max_examples = 1
    if weights == "examples" or table.has("max_examples"):
        max_examples = table.number("max_examples")
    suites = ("auto", "paillier", "hybrid", "hybrid-s2")
    return Training(
        rounds=_within(Training, "rounds", table.number("rounds")),
        clip=table.real("clip"),
        bits=table.number("bits"),
        max_examples=max_examples,
        suite=_one_of("training.suite", table.text("suite", "auto"), suites),  # type: ignore[arg-type]
        weights=weights,  # type: ignore[arg-type]  # checked above, as suite is
        start_study=start_study,
        start_round=start_round,
        start_federation=before,
        app=_hash(table.text("app")) if table.has("app") else b"",
        run=_run(table.text("run")) if table.has("run") else "",
        **_kept(table),
    )


def _kept(table: Table) -> dict[str, int]:
    if not table.has("keep_vectors"):
        return {}
    return {"keep_vectors": _within(Training, "keep_vectors", table.number("keep_vectors"))}


def _statistic(table: Table) -> Statistic:
    labels = tuple(map(normal, table.texts("labels"))) if table.has("labels") else ()
    for number, label in enumerate(labels, start=1):
        _check_label(f"statistic.labels[{number}]", label, labels[: number - 1])
    length = len(labels) if labels and not table.has("length") else table.number("length")
    if labels_bytes(labels) > MAX_LABELS_BYTES:
        reason = f"they take more than {MAX_LABELS_BYTES >> 10} kB. Shorten them, or leave them out"
        raise BadPlan("statistic.labels", reason)
    return Statistic(
        length=_within(Statistic, "length", length),
        decimals=_within(Statistic, "decimals", table.number("decimals")),
        data=_name("statistic.data", table.text("data")),
        labels=labels,
    )


def _members(names: list[str], terms: Terms) -> tuple[int, ...]:
    numbers = {member.name: k for k, member in enumerate(terms.members, start=1)}
    found: list[int] = []
    for name in map(normal, names):
        number = numbers.get(name)
        if number is None:
            known = ", ".join(numbers)
            reason = f"{shown(name)} is no member of {terms.name}. Its members are {known}"
            raise BadPlan("members", reason)
        if number in found:
            raise BadPlan("members", f"{shown(name)} is there twice. Keep one")
        found.append(number)
    return tuple(sorted(found))


def _purpose(text: str) -> str:
    purpose = normal(text.strip())
    if not purpose:
        raise BadPlan("purpose", "it is empty. Say what the study is for: hospitals approve that")
    if len(purpose) > MAX_REASON:
        reason = f"it has {len(purpose)} characters, and it must have {MAX_REASON} or fewer"
        raise BadPlan("purpose", reason)
    if not is_plain(purpose):
        reason = "it has a line break, or a character that is invisible or steers what shows it"
        raise BadPlan("purpose", f"{reason}. Write one line")
    return purpose


def _check_label(field: str, label: str, before: tuple[str, ...]) -> None:
    if not 1 <= len(label) <= _LABEL_LENGTH:
        raise BadPlan(field, f"it must have 1 to {_LABEL_LENGTH} characters")
    if label != label.strip() or not is_plain(label):
        reason = "it has a blank at its beginning or end, or a character that people cannot see"
        raise BadPlan(field, reason)
    if label in before:
        raise BadPlan(field, f"{shown(label)} is there twice. Each number has its own")


def _name(field: str, text: str) -> str:
    if not _IS_NAME.fullmatch(text):
        raise BadPlan(field, f"{shown(text)}, and {_NAME_RULE}")
    return text


def _hash(text: str) -> bytes:
    if not _HASH.fullmatch(text.lower()):
        reason = "it must be a SHA-256 as study new --app writes it, 64 digits of 0-9 and a-f"
        raise BadPlan("training.app", reason)
    return bytes.fromhex(text)


def _run(text: str) -> str:
    if not _IS_RUN.fullmatch(text):
        reason = f"{shown(text)}, and it must be 1 to 200 letters, digits and signs without blanks"
        raise BadPlan("training.run", reason)
    return text


def _one_of(field: str, word: str, words: tuple[str, ...]) -> str:
    if word not in words:
        raise BadPlan(
            field, f"{shown(word)}, and it must be {', '.join(words[:-1])} or {words[-1]}"
        )
    return word


def _within(struct: type, field: str, value: int) -> int:
    """The value, if it is in the range that a post's field has."""
    (meta,) = get_type_hints(struct, include_extras=True)[field].__metadata__
    assert isinstance(meta, Meta)
    least, most = meta.ge, meta.le
    assert least is not None and most is not None
    if not least <= value <= most:
        where = "" if struct is Plan else f"{struct.__name__.lower()}."
        raise BadPlan(f"{where}{field}", f"{value}, and it must be {least} to {most}")
    return value


# ── writing ──


def render_plan(study: Study) -> str:
    """The text of a study's file, with a comment for each line that decides something."""
    return "\n".join(_lines(study)) + "\n"


def _lines(study: Study) -> Iterator[str]:
    plan, terms = study.plan, study.terms
    yield "# The plan of a study. Once it is proposed, nothing in it can change."
    yield ""
    yield _line("name", study.name)
    yield _line("kind", study.kind)
    yield "# What it is for. Every hospital reads this before it approves."
    yield _line("purpose", plan.purpose)
    yield "# Who may contribute. These hospitals read what comes out."
    yield _line("members", [terms.name_of(m) for m in plan.members])
    yield f"# The fewest hospitals in a sum. The federation asks for {terms.least_contributors}."
    yield _line("least_contributors", plan.least_contributors)
    yield "# How many seconds a round waits for the last of them."
    yield _line("seconds", plan.seconds)
    yield ""
    yield f"[{study.kind}]"
    yield from _training_lines(study.training) if study.is_training else _statistic_lines(study)


def _training_lines(work: Training) -> Iterator[str]:
    yield _line("rounds", work.rounds)
    yield "# The most that a weight changes in a round."
    yield _line("clip", work.clip)
    yield "# Of a weight's change as it is encrypted. More are more exact, and more to send."
    yield _line("bits", work.bits)
    yield '# "examples": a hospital counts by its examples, and sums show how many those are.'
    yield '# "equal": every hospital that has examples counts the same, and max_examples is 1.'
    yield _line("weights", work.weights)
    yield "# The most examples that a hospital may have."
    yield _line("max_examples", work.max_examples)
    yield "# How updates are encrypted: paillier, hybrid, hybrid-s2, or auto, by the model's size."
    yield _line("suite", work.suite)
    yield "# Of how many rounds the aggregator keeps the vectors once all have the model that came"
    yield "# of them. A hospital whose disk is put back by no more rounds finds its way by itself."
    yield _line("keep_vectors", work.keep_vectors)
    yield "# Where it starts: another study's model after one of its rounds, as STUDY/ROUND."
    yield "# Without this line it starts from the app's own initial parameters."
    start = f"{work.start_study}/{work.start_round}"
    yield _line("start", start) if work.start_study else '# start = "STUDY/ROUND"'
    yield "# If that study was under terms before these: their identity, as the table [predecessor]"
    yield "# of federation.toml has it. study new --old writes it."
    before = encode_binary(work.start_federation)
    yield _line("start_federation", before) if before else '# start_federation = "…"'
    yield "# SHA-256 of the app, so that a hospital runs no other. study new --app writes it."
    yield _line("app", work.app.hex()) if work.app else '# app = "…"'
    yield "# The run of a framework that it is trained for, as its adapter names it. Without this"
    yield "# line the first program that begins names the run, and the study is for no other."
    yield _line("run", work.run) if work.run else '# run = "flower/1234"'


def _statistic_lines(study: Study) -> Iterator[str]:
    work = study.statistic
    yield "# What the numbers are computed from. Sums over data of one name are compared, so that"
    yield "# no two of them show few hospitals together."
    yield _line("data", work.data)
    yield "# How many numbers each hospital gives, and with how many digits after the point."
    yield _line("length", work.length)
    yield _line("decimals", work.decimals)
    yield "# What each number is. Everybody who reads the board sees the labels."
    yield _line("labels", list(work.labels)) if work.labels else '# labels = ["…"]'


def _line(key: str, value: object) -> str:
    return tomli_w.dumps({key: value}).rstrip("\n")
