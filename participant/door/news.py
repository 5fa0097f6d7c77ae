"""What a job has to tell the command that waits for it, until that has read it."""

import asyncio
from collections import deque

from participant.door.messages import Moved, Noticed
from participant.door.study_messages import Answered, Asked
from protocol.errors import Malformed

MAX_NOTICES = 64  # that wait to be read


class News:
    """The newest of where a job is, its notices, not too many, and one question at a time."""

    def __init__(self) -> None:
        self._moved: Moved | None = None
        self._told: Moved | None = None
        self._notices = deque[Noticed](maxlen=MAX_NOTICES)
        self._due: Asked | None = None  # a question that is not yet read
        self._answer: asyncio.Future[bool] | None = None  # to the one that was
        self.any, self.is_over = asyncio.Event(), False

    def tell(self, news: Moved | Noticed) -> None:
        """Keep it until it is read; an older Moved is of no use any more."""
        if isinstance(news, Noticed):
            self._notices.append(news)
        else:
            self._moved = news
        self.any.set()

    def ask(self, asked: Asked) -> asyncio.Future[bool]:
        """Whether who reads this agrees; cancelled if nobody answers. One thing at a time."""
        assert self._answer is None or self._answer.done()
        self._due, self._answer = asked, asyncio.get_running_loop().create_future()
        self.any.set()
        return self._answer

    def answer(self, said: Answered) -> None:
        """Take the answer to what was asked; raises Malformed where nothing was."""
        if self._answer is None or self._due is not None or self._answer.done():
            raise Malformed("answer", "nothing was asked")
        self._answer.set_result(said.agrees)

    def end(self) -> None:
        """There will be no more."""
        self.is_over = True
        self.any.set()

    def take(self) -> list[Moved | Noticed | Asked]:
        """What has not been read; a question comes last."""
        self.any.clear()
        found: list[Moved | Noticed | Asked] = list(self._notices)
        self._notices.clear()
        if self._moved != self._told and self._moved is not None:
            self._told = self._moved
            found.append(self._moved)
        if self._due is not None:
            found.append(self._due)
            self._due = None
        return found
