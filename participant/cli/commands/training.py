"""``ceremony`` and ``train``: the long-running work."""

import asyncio
import time
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from participant.ceremony import PAUSE_SECONDS, Calibration, Watch
from participant.cli.commands.verdict import judged, judged_there
from participant.cli.sentences import Context, lines_of, rounding_cell
from participant.cli.views import (
    Transfer,
    View,
    link_notices,
    only_json,
    say,
    say_json,
    transfer_view,
    view_of,
)
from participant.cli.work import (
    AppEnv,
    AppUser,
    BlobsFrom,
    Given,
    Json,
    KeepModels,
    NodeConfig,
    StudyOption,
    Teller,
    Timeout,
    Worker,
    not_with_agent,
    run,
    say_aside,
    telling,
    variables_of,
    watched,
    worker_of,
)
from participant.door import ServedHospital
from participant.errors import SaidByAgent
from participant.hospital import Hospital
from participant.model import model_name
from participant.network import Notices
from participant.training import Event, TrainingTask, plain_value
from participant.words.fingerprint import fingerprint
from protocol.errors import CeremonyFailed
from protocol.key import Epoch
from protocol.terms import AGGREGATOR, Terms
from protocol.words import shown
from protocol.words.counted import counted

_MOST_METRICS = 20  # of a round that a line shows; the journal has all


def ceremony(given: Given, timeout: Timeout = None, as_json: Json = False) -> None:
    """Make the joint key with all other members, and store this hospital's key share."""
    hospital, started = worker_of(given), time.monotonic()
    if hospital.has_key:
        epoch = run(hospital.ceremony, hospital)
        _say_key(hospital.terms, epoch, {"event": "done already"}, as_json)
        return
    epoch = _make_key(hospital, timeout, given.context, as_json)
    facts = {
        "event": "done",
        "seconds": time.monotonic() - started,
        "bytes_up": hospital.traffic.up,
        "bytes_down": hospital.traffic.down,
    }
    _say_key(hospital.terms, epoch, facts, as_json)
    if not as_json:
        here = given.context.here
        say(f"Next: quorate-participant key backup --out backup.sealed {here}")
        say(f"then see which studies there are: quorate-participant study list {here}")


def _make_key(hospital: Worker, timeout: float | None, context: Context, as_json: bool) -> Epoch:
    """Raises CeremonyAborted, once it has shown who is to blame for it."""
    watch = Watch(hospital.terms, Calibration(hospital.terms))
    found: Exception
    try:
        with view_of(hospital.terms, as_json) as view:
            view.expect(watch.expectation)
            teller = Teller(lambda: watched(hospital), context, as_json, write=view.note)
            notices = _ceremony_notices(hospital, teller, watch, view)
            course = partial(hospital.ceremony, timeout=timeout, notices=notices)
            return run(course, hospital)
    except CeremonyFailed as failure:
        assert isinstance(hospital, Hospital)
        found = judged(hospital, failure, context, as_json)
    except SaidByAgent as failure:
        assert isinstance(hospital, ServedHospital)
        found = judged_there(hospital, failure, context, as_json)
    raise found


def _ceremony_notices(hospital: Worker, teller: Teller, watch: Watch, view: View) -> Notices:
    """Show what happens; while others have still to join, measure what it will take."""
    is_calibrating = False
    url = hospital.url

    def moved() -> None:
        if progress := hospital.progress:
            view.show(watch.facts(progress))
        teller.look()

    def calibrate() -> None:
        if watch.calibrate():
            moved()
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, calibrate)

    def found() -> None:
        nonlocal is_calibrating
        view.note(f"connected to {url}")
        if not is_calibrating:
            is_calibrating = True
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, calibrate)

    return replace(link_notices(url, view.note, moved), found=found)


def _say_key(terms: Terms, epoch: Epoch, facts: dict[str, Any], as_json: bool) -> None:
    words = fingerprint(epoch.digest)
    if as_json:
        about = {"epoch": epoch.number, "key_bits": terms.key_bits, "fingerprint": words}
        say_json({**facts, **about})
        return
    if "seconds" in facts:
        say(f"The key ceremony took {facts['seconds']:.0f} s.")
    else:
        say("The key ceremony has been done already. The key share is here.")
    say(
        f"Joint key of {terms.name}: {terms.key_bits} bits, {terms.quorum} of {terms.n_members} "
        f"decrypt, epoch {epoch.number}"
    )
    say(f"  fingerprint  {words}  (the same at every member)")


def train(
    given: Given,
    study: StudyOption,
    app: Annotated[
        Path | None,
        typer.Option(
            help="Python file or folder with fit and evaluate, the folder of a Flower app, or "
            "unix:PATH for a program of your own; else what was approved."
        ),
    ] = None,
    app_env: AppEnv = [],  # noqa: B006  # typer copies it
    app_user: AppUser = None,
    node_config: NodeConfig = None,
    keep_models: KeepModels = None,
    blobs_from: BlobsFrom = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Take part in all rounds of a study that trains, decryption included. The model comes out."""
    variables = variables_of(app_env, node_config)
    hospital = worker_of(given, True, keep_models, blobs_from)
    if isinstance(hospital, ServedHospital):
        for option in ("keep_models", "blobs_from"):
            not_with_agent(given.ctx, option)
    show = _print_event if as_json else RoundTable(hospital.terms).show

    async def train_all() -> int:
        about: dict[str, Any] = {
            "variables": variables, "user": app_user, "timeout": timeout, "notices": notices,
            "on_event": show, "on_output": say,
        }  # fmt: skip
        if isinstance(hospital, ServedHospital):
            return await hospital.study(study).train(app, **about)
        async for _ in hospital.study(study).train(app, **about):
            pass
        return _task(hospital).finished

    with only_json(as_json), transfer_view(say_aside) as view:
        moved = lambda: view.show(_transfer(hospital))  # noqa: E731
        notices = telling(hospital, given.context, as_json, moved, view)
        finished = run(train_all, hospital)
    if not as_json:
        say(f"Study {study} is done, {counted(finished, 'round')} in all.")
        say(f"Model: {hospital.folder / model_name(study, finished)}")


def _transfer(hospital: Worker) -> Transfer | None:
    """What of a round's vectors is on its way, if that is known here."""
    if not isinstance(hospital, Hospital) or hospital.session is None:
        return None
    agent, task = hospital.session.agent, hospital.task
    if not isinstance(task, TrainingTask):  # the app is still to begin
        return None
    if reading := task.reading:
        what = f"reading the sum of {task.name}/{task.finished + 1}"
        if reading.whose != AGGREGATOR:
            whose = hospital.terms.name_of(reading.whose)
            what = f"reading what {whose} contributed, to check the sum"
        return Transfer(what, reading.done, reading.total)
    way = agent.transfer
    if way.bytes_sent_of_blobs < way.bytes_to_send:
        sent = f"sending the contribution to {task.name}/{task.finished + 1}"
        return Transfer(sent, way.bytes_sent_of_blobs, way.bytes_to_send)
    return None


def _task(hospital: Hospital) -> TrainingTask:
    task = hospital.task
    assert isinstance(task, TrainingTask)
    return task


class RoundTable:
    """A row for each round, when it has been evaluated."""

    _COLUMNS = (
        "round", "in sum", "train s", "encrypt s", "decrypt s", "kB up", "kB down", "rounding",
        "loss",
    )  # fmt: skip

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._facts: dict[int, Event] = {}
        self._bytes = (0, 0)
        self._has_header = False

    def show(self, event: Event) -> None:
        """Gather what is known of a round, and print it at its end."""
        number, name = event["round"], event["event"]
        facts = self._facts.setdefault(number, {})
        for text in lines_of(event):
            say(text)
        facts.update(event)
        if name == "evaluated":
            self._print(number, self._facts.pop(number))

    def _print(self, number: int, facts: Event) -> None:
        if not self._has_header:
            say("".join(f"{c:>11}" for c in self._COLUMNS) + "  metrics")
            self._has_header = True
        up, down = facts["bytes_up"] - self._bytes[0], facts["bytes_down"] - self._bytes[1]
        self._bytes = (facts["bytes_up"], facts["bytes_down"])
        contributors = facts.get("contributors", [])
        cells = [
            str(number),
            f"{len(contributors)} of {self._terms.n_members}",
            *(_seconds(facts.get(phase)) for phase in ("train", "encrypt", "decrypt")),
            f"{up / 1000:.0f}",
            f"{down / 1000:.0f}",
            rounding_cell(facts.get("rounding")),
            f"{facts['loss']:.4f}",
        ]
        absent = [m for m in range(1, self._terms.n_members + 1) if m not in contributors]
        missing = ", ".join(self._terms.name_of(m) for m in absent)
        metrics = _metrics(facts.get("metrics")) + (f"  without {missing}" if missing else "")
        say("".join(f"{cell:>11}" for cell in cells) + f"  {metrics}")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _metrics(metrics: object) -> str:
    if not isinstance(metrics, dict):
        return ""
    found = [
        f"{shown(k)} {v:.4g}" if isinstance(v, float) else f"{shown(k)} {shown(v)}"
        for k, v in islice(metrics.items(), _MOST_METRICS)
    ]
    more = len(metrics) - len(found)
    return ", ".join([*found, f"{more} more"] if more else found)


def _print_event(event: Event) -> None:
    say_json(event, default=plain_value)
