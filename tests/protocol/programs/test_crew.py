"""Several processes work a list off: as one would, in order, and whatever becomes of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.programs.crew import Crew

HERE = os.getpid()


class NotOurs(Exception):
    """What a function says of an item."""


def square(number: int) -> int:
    time.sleep(0.02 * (number % 3))
    return number * number


def process(number: int) -> int:
    return os.getpid()


def refuse_seven(number: int) -> int:
    if number == 7:
        raise NotOurs(number)
    return number


def die_elsewhere(maker: tuple[int, int]) -> int:
    number, here = maker
    if number == 3 and os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def touch(path: Path) -> None:
    path.touch()


def print_much(number: int) -> int:
    print("what is printed is no answer", flush=True)
    return number


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    with Crew(2) as found:
        yield found


def test_answers_come_in_the_order_of_the_items(crew: Crew) -> None:
    assert list(crew.map(square, range(20))) == [k * k for k in range(20)]


def test_several_processes_work_and_this_one_does_not(crew: Crew) -> None:
    at_work = set(crew.map(process, range(40)))
    assert len(at_work) == 2
    assert HERE not in at_work


def test_what_a_function_raises_is_raised_here(crew: Crew) -> None:
    answers = crew.map(refuse_seven, range(10))
    assert [next(answers) for _ in range(7)] == list(range(7))
    with pytest.raises(NotOurs):
        next(answers)


def test_a_process_that_is_killed_loses_nothing() -> None:
    with Crew(2) as found:
        items = [(k, HERE) for k in range(12)]
        assert list(found.map(die_elsewhere, items)) == list(range(12))


def test_no_more_items_are_taken_than_will_be_next(crew: Crew) -> None:
    items = iter(range(100, 1_000))
    answers = crew.map(refuse_seven, items)
    assert next(answers) == 100
    assert next(items) < 110
    answers.close()


def test_the_first_items_are_worked_at_before_an_answer_is_asked_for(
    crew: Crew, tmp_path: Path
) -> None:
    answers = crew.map(touch, [tmp_path / str(k) for k in range(3)])
    until = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 3:
        assert time.monotonic() < until, "nobody has begun"
        time.sleep(0.01)
    assert list(answers) == [None] * 3


def test_what_is_printed_is_no_answer(crew: Crew) -> None:
    assert list(crew.map(print_much, range(6))) == list(range(6))


@pytest.mark.parametrize(("size", "items"), [(1, 9), (2, 1), (2, 0)])
def test_one_process_or_item_is_done_here(size: int, items: int) -> None:
    with Crew(size) as found:
        assert list(found.map(process, range(items))) == [HERE] * items


def test_the_processes_end_with_the_block() -> None:
    with Crew(2) as found:
        at_work = set(found.map(process, range(20)))
    for number in at_work:
        with pytest.raises(ProcessLookupError):
            os.kill(number, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_processes_end_when_who_began_them_is_killed() -> None:
    program = (
        "import os, time\n"
        "from protocol.programs.crew import Crew\n"
        "from tests.protocol.programs.test_crew import process\n"
        "crew = Crew(2)\n"
        "print(*set(crew.map(process, range(20))), flush=True)\n"
        "time.sleep(60)\n"
    )
    around = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    began = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=around
    )
    assert began.stdout is not None
    at_work = [int(number) for number in began.stdout.readline().split()]
    began.kill()
    began.wait()
    assert at_work
    until = time.monotonic() + 30
    while any(Path(f"/proc/{number}").exists() for number in at_work):
        assert time.monotonic() < until, "a process goes on alone"
        time.sleep(0.05)
