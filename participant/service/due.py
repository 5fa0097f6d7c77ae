"""What an agent that stays does without being asked: by its board, and by what it keeps.

Nothing here approves or begins anything: it goes on with what this hospital has begun or agreed
to, and answers what others may ask of every member.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass

from participant.agent import Task
from participant.ceremony import CeremonyTask
from participant.handover import OwnPlace, handover_task, is_at_work
from participant.home import Membership
from participant.key import KeyCheckTask, check_to_answer, inheritance_task
from protocol.board import Board
from protocol.key import HeldKeys


@dataclass(frozen=True)
class Due:
    """A task that is due, in its session; ``make`` makes it, and says nothing by itself.

    since: the entry of the board by which it is due. One that has failed is due again by a later
    one. prepare: what comes before ``make``, in a thread of its own; ``give_up`` ends that.
    """

    session: str
    make: Callable[[], Task]
    since: int = 0
    prepare: Callable[[], None] | None = None
    give_up: Callable[[], None] = lambda: None


def due_tasks(
    board: Board,
    member: Membership,
    keys: HeldKeys | None,
    now_ms: int,
    studies: Callable[[Board, HeldKeys, Container[str]], list[Due]],
    at_work: Container[str] = (),
) -> list[Due]:
    """All that is due by itself; ``keys``: this hospital's, None while it has none.

    A ceremony, as long as there is no key: the first one, and each that this hospital has joined.
    After one that was aborted a person begins the next. None under terms that take a key over: once
    a key share is here, it says of which key. A handover that others have proposed, to which
    nothing is agreed by itself, and nothing else once the key is another federation's. A check of
    key shares that another member has asked for lately.
    What ``studies`` says. at_work: sessions in which a task speaks already. now_ms: this machine's
    clock, in ms since 1970.
    """
    found = _handovers(board, member)
    if board.key.handovers.successor is not None:  # nothing else is left to do with this key
        return found
    if keys is None:
        return found or _ceremonies(board, member)
    found += [*_inheritance(board, member), *studies(board, keys, at_work)]
    if session := check_to_answer(board, member.terms, keys.current, now_ms):
        found.append(Due(session, lambda: KeyCheckTask(member.terms, keys, now_ms, session)))
    return found


def _inheritance(board: Board, member: Membership) -> list[Due]:
    """Until this hospital has said which key it took over, and enough have said the same."""
    task = inheritance_task(member)
    return [Due(task.session, lambda: task)] if task and task.is_due(board) else []


def _ceremonies(board: Board, member: Membership) -> list[Due]:
    was_handed_over = any(h.released_at is not None for h in board.key.handovers.all)
    if member.terms.takes_over_key or was_handed_over:
        return []

    def make() -> CeremonyTask:
        return CeremonyTask(member.terms, member.index, member.secrets)

    session = make().next_session(board)
    is_first = session == "ceremony/1"
    has_spoken = any(p.post.sender == member.index for p in board.session(session))
    return [Due(session, make)] if is_first or has_spoken else []


def _handovers(board: Board, member: Membership) -> list[Due]:
    """The attempt that is under way, or that was and has left something here."""
    last = board.key.handovers.last
    before = board.key.handovers.all[:-1]
    has_left = any(h.is_over and OwnPlace(member).has_left(h) for h in before)
    if last is None or not (is_at_work(last, member) or has_left):
        return []
    return [Due(last.about.session, lambda: handover_task(member, None), last.position)]
