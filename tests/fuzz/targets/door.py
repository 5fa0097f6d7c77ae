"""Decoders of the agent's door, at both ends."""

from contextlib import suppress
from decimal import Decimal

from participant.agent.set_back import SetBack
from participant.ceremony.verdict import Accusation
from participant.door.framing import Unframer, framed
from participant.door.judgement import Judgement, read_judgement
from participant.door.messages import (
    ADMINISTRATION,
    MAX_WANTED_BYTES,
    AgentStanding,
    CeremonyAt,
    CheckKey,
    Denied,
    ExportRecord,
    Failed,
    Finished,
    Greeted,
    Greeting,
    HandKeyOver,
    JobWanted,
    JudgeCeremony,
    MakeKey,
    Moved,
    Noticed,
    Part,
    ReadingAt,
    StandingWanted,
    Stopping,
    StopWanted,
    TaskStanding,
    Waits,
    read_answer,
    read_wanted,
)
from participant.door.notices import hear, telling_all
from participant.door.served import Mirror
from participant.door.study_messages import (
    Answered,
    ApproveStudy,
    Asked,
    ContributeNumbers,
    DecryptRound,
    EndStudy,
    ListStudies,
    ProposeStudy,
    ShowStudy,
    WithdrawStudy,
)
from participant.door.study_results import (
    encode_standings,
    read_contributed,
    read_decrypted,
    read_standings,
)
from participant.errors import Unreachable
from participant.hospital import Contributed, Decrypted
from participant.network import Notices
from participant.service.jobs import wish_of
from participant.study import StudyStanding
from protocol.board import Study
from protocol.ceremony.judgement import GivenUp, Verdict
from protocol.encoding import encode
from protocol.errors import Malformed
from protocol.messages import Plan, Statistic
from tests.fuzz.target import Case, target
from tests.fuzz.targets.frames import TERMS

PLAN = Plan("to try it", (1, 2, 3), 3, 30, Statistic(2, 0, "visits", ("men", "women")))
WISHES = [
    Greeting(ADMINISTRATION, 1),
    StandingWanted(),
    StopWanted(),
    *(
        JobWanted(job, "federation.toml", "h1")
        for job in (
            MakeKey(None),
            CheckKey(True, 30.0),
            HandKeyOver(b"terms", (bytes(64),), None),
            JudgeCeremony("ceremony/1", 30.0),
            ExportRecord("/srv/record", None),
            ProposeStudy("cardio", PLAN, None),
            ListStudies(None),
            ShowStudy("cardio", 30.0),
            ApproveStudy("cardio", bytes(32), None, True, "/srv/app.py", bytes(32), False, None),
            WithdrawStudy("cardio", None),
            EndStudy("cardio", None),
            ContributeNumbers("visits", "n.csv", b"label,number\nmen,3\n", None),
            DecryptRound("visits", 1, 30.0),
        )
    ),
]
WISHES += [Answered(True), Answered(False)]
WAITS = Waits("join", (1, 3), b'{"session": "ceremony/1", "step": "join"}')
ANSWERS = [
    Greeted(1, 17, "running"),
    Denied("no"),
    AgentStanding(
        "passphrase",
        17,
        3.5,
        2,
        (TaskStanding("ceremony", "ceremony/1", WAITS),),
        b"{}",
        b"",
        "",
        "",
    ),
    Moved(2, WAITS, 0.5, CeremonyAt("deal", (3,), 4, 9.5, 1, 2.5), ReadingAt(7, True, 1, 2)),
    Asked("visits/1", "statistic", ("H1", "H2", "H3"), 1, "", ("men", "women"), ("H2",)),
    Part(b"\x01"),
    Finished(b"\x01", 100, 200),
    Failed("the disk is full", "make room", 1),
    Stopping(),
]


@target("door-wish", "participant.door.framing, participant.door.messages.read_wanted")
def wish() -> Case:
    def run(data: bytes) -> None:
        whole, parts = Unframer(MAX_WANTED_BYTES), Unframer(MAX_WANTED_BYTES)
        with suppress(Malformed):
            frames = whole.feed(data)
            found = [frame for k in range(len(data)) for frame in parts.feed(data[k : k + 1])]
            assert found == frames
            for frame in frames:
                assert encode(read_wanted(frame)) == frame
        with suppress(Malformed):
            read_wanted(data)

    return Case(run, [encode(one) for one in WISHES] + [framed(WISHES[0]) + framed(WISHES[3])])


@target("door-answer", "participant.door.messages.read_answer, participant.door.notices.hear")
def answer() -> Case:
    sent: list[Noticed] = []
    notices = telling_all(sent.append, lambda: None)
    notices.lost(Unreachable("wss://h", "no route", "ask"))
    notices.found()
    notices.clocks_differ(400.0)
    notices.set_back(SetBack(3, 9))

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_answer(data)
            if isinstance(found, Noticed):
                hear(found, Notices())
            elif isinstance(found, Moved):
                mirror = Mirror()
                mirror.hear(found)
                mirror.is_statistic("cardio")

    return Case(run, [encode(one) for one in [*ANSWERS, *sent]])


@target("door-sums", "participant.door.study_results.read_decrypted")
def sums() -> Case:
    omitted = {"members": ["H3"], "is_own": False, "reason": "closed", "other": None, "fits": None}
    found = Decrypted(
        "visits/1",
        "statistic",
        True,
        ("H1", "H2"),
        ("men", "women"),
        (Decimal("3.50"), Decimal("-1E+2")),
        ("H3",),
        ({"about": "H3", "by": "H1", "entry": 9, "verdict": "proven"},),
        (omitted,),
    )
    seeds = [encode(found), encode(Contributed("visits", True, 2, 1, (omitted,)))]

    def run(data: bytes) -> None:
        for read in (read_decrypted, read_contributed):
            with suppress(Malformed):
                assert encode(read(data)) == data

    return Case(run, seeds)


@target("door-studies", "participant.door.study_results.read_standings")
def studies() -> Case:
    study = Study(TERMS, "cardio", PLAN)
    found = StudyStanding(study, "H1", "open", ("H1",), (), (), True, False, False, 1, 0)
    seed = encode_standings([found])

    def run(data: bytes) -> None:
        with suppress(Malformed):
            standings = read_standings(data, TERMS)
            assert encode_standings(standings) == data

    return Case(run, [seed])


@target("door-judgement", "participant.door.judgement.read_judgement, participant.door.served")
def judgement() -> Case:
    said = Accusation(1, 2, "deal", "it does not open", 9, ())
    given_up = GivenUp(12, "join", (3,), "silent for an hour")
    verdict = Verdict("ceremony/1", {2: "another value"}, (3,), {2: 9}, given_up)
    seed = Judgement("ceremony/1", (said,), (1,), (1, 2), verdict).encoded()

    def run(data: bytes) -> None:
        with suppress(Malformed):
            found = read_judgement(data)
            assert found.encoded() == data

    return Case(run, [seed])


@target("terms-of-a-job", "participant.service.jobs, new terms of a handover", limit=8_192)
def terms_of_a_job() -> Case:
    def run(data: bytes) -> None:
        with suppress(Malformed):
            wish = wish_of(HandKeyOver(data, (), None))
            assert wish is None or encode(wish.new) == data

    return Case(run, [encode(TERMS), b""])
