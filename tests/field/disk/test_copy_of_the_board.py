"""What the people of a hospital see of its copy of the board, by commands over real sockets."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from participant.cli.views.agent import ServiceLog
from participant.cli.views.ceremony import uncopied_line
from participant.disk import FolderStorage
from participant.errors import DamagedFile, DiskError
from protocol.wire.frames import Subscribe
from tests.stage.consortium import Consortium, found
from tests.stage.studies import statistic_plan


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    made = found(tmp_path)
    for name in ("age", "height"):
        made.planned(name, statistic_plan(made.terms).work)
    with made.relay.running():
        yield made


def propose(made: Consortium, name: str) -> str:
    """Hospital 1 proposes a study; its error output."""
    return made.typed(1, "study", "propose", f"{name}.toml", "federation.toml")[1]


def look(made: Consortium) -> tuple[list[int], str]:
    """After which entries a command has asked for more, and its error output."""
    with patch("participant.agent.agent.Subscribe", wraps=Subscribe) as asked:
        said = made.typed(1, "study", "list", "federation.toml")[1]
    return sorted({call.args[0] for call in asked.call_args_list}), said


def copy_of(made: Consortium) -> Path:
    return made.member(1).folder / "board"


def test_a_command_fetches_what_is_new_since_the_last_one(consortium: Consortium) -> None:
    propose(consortium, "age")
    assert look(consortium)[0] == [0]  # who speaks has no copy of what it has just said
    propose(consortium, "height")
    assert look(consortium)[0] == [2]
    assert look(consortium) == ([3], "")


def test_people_are_told_of_a_copy_that_was_changed_and_it_is_read_anew(
    consortium: Consortium,
) -> None:
    propose(consortium, "age")
    look(consortium)
    (copy_of(consortium) / "index").write_bytes(b"?" * 100)
    asked, said = look(consortium)
    assert asked == [0]
    assert "copy of the board is not as it was: board/index: " in said
    assert look(consortium) == ([2], "")


def test_a_copy_that_cannot_be_stored_is_told_of_once_and_done_without(
    consortium: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(consortium, "age")
    write = FolderStorage.write

    def full(storage: FolderStorage, name: str, data: bytes) -> None:
        if name.startswith("board/"):
            raise DiskError.of(storage.path / name, OSError(errno.ENOSPC, os.strerror(28)))
        write(storage, name, data)

    monkeypatch.setattr(FolderStorage, "write", full)
    asked, said = look(consortium)
    assert asked == [0]
    assert said.count("keeps no copy of the board at the moment") == 1
    assert os.strerror(errno.ENOSPC) in said
    assert "keeps no copy" in propose(consortium, "height")  # which is proposed all the same
    monkeypatch.undo()
    assert look(consortium)[0] == [0]
    assert look(consortium) == ([3], "")


def test_an_agent_that_stays_warns_of_it_in_its_log() -> None:
    said: list[tuple[str, dict[str, Any]]] = []
    trouble = DamagedFile("board/1-3", "it is missing or damaged", "copy of the board")
    with patch.object(
        ServiceLog, "_warn", lambda log, event, line, **facts: said.append((line, facts))
    ):
        ServiceLog(None, False).notices.uncopied(trouble)  # type: ignore[arg-type]
    assert said == [(uncopied_line(trouble), {"path": "board/1-3", "reason": trouble.reason})]
