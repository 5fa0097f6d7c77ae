"""The task that reads the board into a record, without a network."""

import pytest

from participant.cli.commands import record as recording
from participant.record.task import RecordProgress, RecordTask
from protocol.board.post import Head
from protocol.encoding import encode
from protocol.errors import Fork
from protocol.messages.attachment import blob_name
from protocol.record.files import blob_path, countersign, head_path
from protocol.record.writing import prepare
from tests.protocol.record.test_writing import SIGNATURES, TOY, Files, table
from tests.stage.toy import Table


def begun(files: Files, at: Table) -> RecordTask:
    """Member 1's task, when the board has been read."""
    prepare(files, TOY.terms, SIGNATURES)
    task = RecordTask(TOY.terms, 1, TOY.keys[1], files)
    for entry in at.entries[task.entries_from :]:
        task.verified(entry)
    task.begin(at.board)
    return task


def finished(files: Files, at: Table) -> RecordTask:
    """The same, to its end."""
    task = begun(files, at)
    while wanted := task.wanted_blobs():
        task.receive_blob(wanted[0][0], at.blobs[wanted[0][0]])
    assert task.done
    return task


def test_in_a_record_that_is_as_it_was_left_what_is_new_is_read_alone() -> None:
    files, at = Files(), table()
    assert finished(files, at).entries_from == 0
    files.writes.clear()
    assert finished(files, at).entries_from == 1
    assert not any(path.startswith(("entries/", "blobs/")) for path in files.writes)
    longer = table("why")
    task = finished(files, longer)
    assert (task.entries_from, task.n_read) == (1, 2)
    alone = Files()
    finished(alone, longer)
    assert dict(files) == dict(alone)


@pytest.mark.parametrize("folder", ["entries/", "blobs/"])
def test_where_a_file_is_gone_all_is_read(folder: str) -> None:
    files, at = Files(), table()
    finished(files, at)
    whole = dict(files)
    del files[next(path for path in files if path.startswith(folder))]
    assert finished(files, at).entries_from == 0
    assert dict(files) == whole


def test_payloads_go_to_the_disk_one_by_one_and_the_record_is_whole_with_the_last() -> None:
    files, at = Files(), table("why")
    task = begun(files, at)
    wanted = list(task.wanted_blobs())
    assert [size for _, size in wanted] == [5000, 5000]
    for name, _ in wanted:
        assert not task.done
        assert "record.json" not in files
        task.receive_blob(name, at.blobs[name])
        assert files[blob_path(name)] == at.blobs[name]
    assert task.done
    assert task.fetching.done == task.fetching.total == 10_000
    assert [said.member for said in task.heads] == [1]


def test_what_comes_onto_the_board_meanwhile_is_not_in_the_record() -> None:
    files, at = Files(), table()
    task = begun(files, at)
    later = table("why")
    task.verified(later.entries[-1])
    at.board.append(later.entries[-1])
    for name, _ in task.wanted_blobs():
        task.receive_blob(name, at.blobs[name])
    assert task.head == Head(1, at.entries[0].hash)
    assert sum(path.startswith("entries/") for path in files) == 1
    assert task.heads[0].position == 1


def test_another_history_that_comes_into_the_folder_meanwhile_is_not_countersigned() -> None:
    files, at = Files(), table()
    task = begun(files, at)
    said = countersign(TOY.terms.federation, 2, Head(1, b"h" * 32), TOY.keys[2])
    files[head_path(2)] = encode(said)
    ((name, _),) = task.wanted_blobs()
    with pytest.raises(Fork, match="H2 has countersigned another entry"):
        task.receive_blob(name, at.blobs[name])
    assert head_path(1) not in files
    assert "record.json" not in files


def test_on_a_record_of_another_history_nothing_is_written() -> None:
    files = Files()
    task = begun(files, table("theirs"))
    for name, _ in task.wanted_blobs():
        task.receive_blob(name, table("theirs").blobs[name])
    before = dict(files)
    with pytest.raises(Fork, match="another entry there"):
        begun(files, table("ours"))
    assert files == before


def test_large_payloads_are_asked_for_one_at_a_time() -> None:
    files, at = Files(), table("why")
    task = begun(files, at)
    task._blobs[0] = task._blobs[0].__class__(0, 60 << 20, blob_name(b"large"), b"")
    assert [size for _, size in task.wanted_blobs()] == [60 << 20]


def test_a_long_board_is_told_while_it_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = table("one", "two")
    task = RecordTask(TOY.terms, 1, TOY.keys[1], Files())

    class Exporting:
        @property
        def reading(self) -> RecordProgress | None:
            return task.progress

    tell = recording._reading(Exporting())  # type: ignore[arg-type]
    tell()
    assert capsys.readouterr().err == ""  # it has only begun
    monkeypatch.setattr(recording, "_LINE_SECONDS", 0.0)
    for entry in at.entries:
        task.verified(entry)
    tell()
    assert capsys.readouterr().err == "reading the board: 3 entries are read and verified\n"
