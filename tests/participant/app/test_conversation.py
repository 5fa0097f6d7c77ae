"""Whatever an app's process says, its hospital goes on, or tells what is wrong with which app."""

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from participant.agent.steps import Stopped
from participant.app.apart import AppApart
from participant.errors import BadApp
from participant.model.layout import Layout
from participant.model.weights import checked
from tests.stage.told_app import CONFIG, ENTRIES, Peer, model, told_app


def config(number: int) -> dict[str, Any]:
    return {"round": number, "seed": 1}


def begun(app: AppApart) -> Any:
    app.start()
    return app.initial_parameters(CONFIG)


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Makes apps that a test plays, and ends them."""
    made: list[AppApart] = []

    def make(talk: Any, **options: Any) -> AppApart:
        made.append(told_app(monkeypatch, tmp_path, talk, **options))
        return made[-1]

    yield make
    for app in made:
        app.close()


def test_a_fit_is_the_answer_to_begin_and_an_evaluation_comes_with_the_next(play: Any) -> None:
    heard: list[Any] = []

    def talk(peer: Peer) -> None:
        peer.hello(local_entries=["seen"])
        heard.append(peer.begin())
        peer.update(1, metrics={"loss": 0.5})
        heard.append(peer.hear())
        scored = {"loss": 0.25, "examples": 7, "metrics": {"accuracy": 0.75}}
        peer.say({"op": "begin", "evaluation": scored})
        heard.append(peer.hear())

    app = play(talk)
    (initial,) = begun(app)
    assert app.local_entries == ("seen",)
    (fitted,), examples, metrics = app.fit([initial], config(1))
    assert np.array_equal(fitted, np.ones(3))
    assert (examples, metrics) == (5, {"loss": 0.5})
    assert app.evaluate([initial], config(1)) == (0.25, 7, {"accuracy": 0.75})
    app.close()
    assert [one["answer"] for one in heard] == ["train", "applied", "end"]
    assert heard[0]["config"] == config(1)


def test_a_round_that_gave_nothing_is_told_from_one_that_went_on(play: Any) -> None:
    heard: list[str] = []

    def talk(peer: Peer) -> None:
        peer.hello()
        peer.begin()
        for number in (1, 1, 2):
            peer.update(number)
            heard.append(peer.hear()["answer"])
            peer.say({"op": "begin"})
            peer.hear()
        peer.update(3)

    app = play(talk)
    initial = begun(app)
    for number in (1, 1, 2, 3):
        app.fit(initial, config(number))
    assert heard == ["void", "late", "late"]


def test_a_model_may_be_scored_without_training_or_without_a_score(play: Any) -> None:
    heard: list[str] = []

    def talk(peer: Peer) -> None:
        peer.hello()
        heard.append(peer.begin()["answer"])
        peer.say({"op": "begin"})

    app = play(talk)
    loss, examples, metrics = app.evaluate(begun(app), config(1))
    assert math.isnan(loss)
    assert (examples, metrics) == (0, {})
    assert heard == ["evaluate"]


def test_the_standing_model_may_be_asked_for_at_any_time(play: Any) -> None:
    heard: list[Any] = []

    def talk(peer: Peer) -> None:
        peer.hello()
        peer.say({"op": "model"})
        heard.append(peer.hear())
        peer.begin()
        peer.say({"op": "model"})
        heard.append(peer.hear())
        peer.update(1)

    app = play(talk)
    app.fit(begun(app), config(1))
    assert heard[0]["error"]["rule"] == "model"
    assert heard[0]["error"]["remedy"]
    assert (heard[1]["answer"], heard[1]["round"]) == ("model", 1)


def never(peer: Peer) -> None:
    peer.connection.close()


def half(peer: Peer) -> None:
    peer.raw(b"\0\0\0\x10{")
    peer.hear()


def flood(peer: Peer) -> None:
    while True:
        peer.raw(b"\xff" * (1 << 16))


def large(peer: Peer) -> None:
    peer.raw(b"\0\0\0\x02{}" + (1 << 40).to_bytes(8, "big"))
    peer.hear()


def approves(peer: Peer) -> None:
    peer.say({"op": "approve", "study": "cardio"})
    peer.hear()


def too_soon(peer: Peer) -> None:
    peer.update(1)
    peer.hear()


def other_version(peer: Peer) -> None:
    peer.hello(version=2)


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (never, "has ended by itself, with code 0"),
        (half, "half of one, and nothing for 2 s"),
        (flood, "a header of 4294967295 bytes"),
        (large, "a body of 1099511627776 bytes, and 68719476736 are the most"),
        (approves, "Invalid value 'approve'"),
        (too_soon, "it said 'update' where 'hello' is due"),
        (other_version, "it speaks version 2, not 1"),
    ],
)
def test_a_process_that_does_not_begin_is_named_and_ended(play: Any, talk: Any, why: str) -> None:
    app = play(talk, stall_seconds=2.0)
    with pytest.raises(BadApp) as caught:
        app.start()
    assert why in caught.value.reason
    assert "the process of told_app.py" in caught.value.reason
    assert app._process.is_ended


def other_round(peer: Peer) -> None:
    peer.update(2)


def other_entries(peer: Peer) -> None:
    peer.update(1, entries=[{"name": "parameter_1", "at": "body"}])


def no_body(peer: Peer) -> None:
    peer.update(1, b"")


def too_large(peer: Peer) -> None:
    peer.raw(b"\0\0\0\x02{}" + (1 << 33).to_bytes(8, "big"))
    peer.hear()


def begins_again(peer: Peer) -> None:
    peer.begin()


def gone(peer: Peer) -> None:
    peer.connection.close()


@pytest.mark.parametrize(
    ("talk", "why"),
    [
        (other_round, "it answered for round 2, not 1"),
        (other_entries, "entry 'parameter_1' has no values"),
        (no_body, "entry 'parameter_0' has no values"),
        (too_large, "a body of 8589934592 bytes"),
        (begins_again, "it said 'begin' where 'update' is due"),
        (gone, "has ended by itself"),
    ],
)
def test_a_process_that_does_not_train_is_named_and_ended(play: Any, talk: Any, why: str) -> None:
    def course(peer: Peer) -> None:
        peer.hello()
        peer.begin()
        talk(peer)

    app = play(course)
    initial = begun(app)
    with pytest.raises(BadApp) as caught:
        app.fit(initial, config(1))
    assert caught.value.function == "fit"
    assert why in caught.value.reason
    assert "the process of told_app.py" in caught.value.reason
    assert app._process.is_ended


@pytest.mark.parametrize(
    ("body", "why"), [(model(4), "has shape (4,) instead of (3,)"), (None, "holds NaN or infinity")]
)
def test_a_model_that_does_not_fit_is_what_it_is_in_one_process(
    play: Any, body: bytes | None, why: str
) -> None:
    spoilt = model().replace(np.float64(1).tobytes(), np.float64("nan").tobytes())

    def course(peer: Peer) -> None:
        peer.hello()
        peer.begin()
        peer.update(1, spoilt if body is None else body)

    app = play(course)
    initial = begun(app)
    fitted, _, _ = app.fit(initial, config(1))
    with pytest.raises(BadApp) as caught:
        checked(fitted, Layout.of(initial), "fit")
    assert why in caught.value.reason


def test_a_process_that_begins_without_a_model_is_told_so(play: Any) -> None:
    def course(peer: Peer) -> None:
        peer.hello()
        peer.say({"op": "begin"})
        peer.hear()

    app = play(course)
    app.start()
    with pytest.raises(BadApp, match="it began without a model"):
        app.initial_parameters(CONFIG)


def test_one_that_reads_nothing_is_given_up(play: Any) -> None:
    done = threading.Event()

    def course(peer: Peer) -> None:
        peer.hello()
        peer.say({"op": "begin", "form": "list", "entries": ENTRIES}, model())
        done.wait(20)

    app = play(course, stall_seconds=2.0)
    begun(app)
    threading.Timer(4.0, done.set).start()
    with pytest.raises(BadApp, match="it reads nothing for 2 s"):
        app.fit([np.zeros(1 << 20)], config(1))


def test_a_fit_that_is_under_way_is_given_up_from_another_thread(play: Any) -> None:
    trains = threading.Event()

    def course(peer: Peer) -> None:
        peer.hello()
        peer.begin()
        trains.set()
        peer.hear()

    app = play(course)
    initial = begun(app)
    closing = threading.Thread(target=lambda: (trains.wait(20), app.close()))
    closing.start()
    with pytest.raises(Stopped):
        app.fit(initial, config(1))
    closing.join(20)


def test_what_the_app_raised_is_told_with_a_file_of_the_traceback(
    play: Any, tmp_path: Path
) -> None:
    def course(peer: Peer) -> None:
        said = {"function": "fit", "reason": "ValueError: no data", "traceback": "a\n\x1b[2Jb"}
        peer.hello()
        peer.begin()
        peer.say({"op": "failed", **said})
        peer.hear()

    app = play(course)
    initial = begun(app)
    with pytest.raises(BadApp, match="ValueError: no data; details in") as caught:
        app.fit(initial, config(1))
    assert caught.value.function == "fit"
    (kept,) = (tmp_path / "errors").iterdir()
    assert kept.read_text() == "a\n\\x1b[2Jb\n"
