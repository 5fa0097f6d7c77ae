"""Key care between processes: a test decryption together, and a hospital that lost its disk."""

import os
import shutil
import time
from collections.abc import Iterator

import pytest

from keyshare.key.threshold_key import SecretShare
from participant.agent.set_ledger import SetLedger
from participant.home.folders import federation_folder
from participant.key.check import KeyCheckTask
from protocol.key.epoch import HeldKey, epoch_secret
from protocol.messages.check import CheckPart
from protocol.messages.rounds import Opening, SetLock
from tests.participant.cli.test_commands import events
from tests.stage.consortium import Consortium, ended, run_all, with_key
from tests.stage.rounds.rings import ring_of

TOGETHER = ["key", "check", "--together", "--timeout", "40"]

pytestmark = pytest.mark.slow  # most of them start whole processes


@pytest.fixture
def consortium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consortium]:
    """A federation that has made its key; the aggregator runs."""
    made = with_key(tmp_path_factory.mktemp("consortium"))
    (made.folder / "own").write_text("another one altogether")
    with made.relay.running():
        yield made


def test_all_hospitals_check_their_shares_together(consortium: Consortium) -> None:
    running = [
        consortium.start(1, *TOGETHER, "--json"),
        consortium.start(2, *TOGETHER),
        consortium.start(3, *TOGETHER),
    ]
    (as_json, _), (as_text, _), _ = [ended(process) for process in running]
    (facts,) = events(as_json)
    assert facts["event"] == "checked together"
    assert facts["session"] == "check/1"
    assert facts["good"] == ["H1", "H2", "H3"]
    assert (facts["wrong"], facts["missing"], facts["decrypts"]) == ({}, [], True)
    assert "good key shares  H1, H2, H3" in as_text
    assert "3 of 3 present: the quorum decrypts the test value" in as_text


def test_a_hospital_alone_is_told_who_lacks(consortium: Consortium) -> None:
    command = ["key", "check", "--together", "--timeout", "8", "--json"]
    output, errors = ended(consortium.start(2, *command), expect=1)
    (facts,) = events(output)
    assert (facts["good"], facts["missing"]) == (["H2"], ["H1", "H3"])
    assert facts["decrypts"] is False
    assert "2 good key shares are needed, 1 is there" in errors
    assert "Nothing came from H1, H3" in errors
    assert "key check --together federation.toml" in errors


def test_a_wrong_part_is_named_and_the_quorum_decrypts_without_it(consortium: Consortium) -> None:
    member = consortium.member(3)
    epoch, secret = member.held_key()
    share = SecretShare(3, secret.secret_share().value + 1)
    forged = epoch_secret(epoch, share, secret.sealing_seed)
    liar = KeyCheckTask(member.terms, ring_of(HeldKey(epoch, forged)), int(time.time() * 1000))
    session = consortium.session(3, liar, time_limit=6)
    assert run_all([session])[0] is not None  # nobody else is there yet
    running = [consortium.start(i, *TOGETHER) for i in (1, 2)]
    for process in running:
        output, _ = ended(process)
        assert "H3 sent a wrong part: it was not made with the key share" in output
        assert "good key shares  H1, H2" in output
        assert "3 of 3 present: the quorum decrypts the test value" in output
    entries = consortium.relay.core.board.entries
    parts = [p.post.sender for p in entries if isinstance(p.post.body, CheckPart)]
    assert sorted(parts) == [1, 2, 3]


def test_a_hospital_that_lost_its_disk_comes_back_from_its_backup(consortium: Consortium) -> None:
    home = consortium.folder / "h2"
    backup = ["key", "backup", "--out", "b.sealed", "--backup-passphrase-file", "own"]
    ended(consortium.start(2, *backup))
    consortium.relay.say("study/cardio/1", opening(consortium))
    shutil.rmtree(home)
    restore = ["key", "restore", "b.sealed", "--backup-passphrase-file", "own"]
    output, _ = ended(consortium.start(2, *restore))
    assert "Restored: H2 in Toy, epoch 1" in output
    folder = federation_folder(home, consortium.terms.federation)
    assert (folder / "head").exists()
    running = [consortium.start(i, *TOGETHER) for i in (1, 2, 3)]
    outputs = [ended(process)[0] for process in running]
    assert "good key shares  H1, H2, H3" in outputs[1]
    ledger = SetLedger(consortium.member(2).storage)
    ledger.begin(consortium.relay.core.board)
    assert ledger.bars("study/cardio/1")
    assert not ledger.bars("study/cardio/2")
    assert not [
        p
        for p in consortium.relay.core.board.entries
        if p.post.sender == 2 and isinstance(p.post.body, SetLock)
    ]


def opening(consortium: Consortium) -> Opening:
    epoch, _ = consortium.member(1).held_key()
    return Opening(bytes(32), epoch.digest, bytes(32), 3)


def test_a_board_without_what_the_backup_saw_is_a_fork(consortium: Consortium) -> None:
    consortium.member(1).storage.write("head", b"\x92\x02\xc4\x20" + os.urandom(32))
    backup = ["key", "backup", "--out", "b.sealed", "--backup-passphrase-file", "own"]
    ended(consortium.start(1, *backup))
    shutil.rmtree(consortium.folder / "h1")
    restore = ["key", "restore", "b.sealed", "--backup-passphrase-file", "own"]
    _, errors = ended(consortium.start(1, *restore), expect=4)
    assert "the board has forked at entry 2" in errors
    assert not (consortium.folder / "h1" / "identity.sealed").exists()
