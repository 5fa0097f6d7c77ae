"""Another passphrase: all files or none, whenever the machine dies."""

from functools import partial
from pathlib import Path

import pytest

from participant.disk.lock import hold
from participant.errors import (
    AlreadyRunning,
    BadPassphrase,
    DiskError,
    MissingFile,
    WrongPassphrase,
)
from participant.home import passphrase_change
from participant.home.identity import create, load
from participant.home.passphrase import Passphrase
from participant.home.passphrase_change import change, finish
from participant.home.sealed_file import Argon2Cost, SealedFor, _parse, seal
from participant.home.vault import Vault
from tests.stage.files import contents, flipped
from tests.stage.mortal import OF_A_HOSPITAL, survived
from tests.stage.toy_home import CHEAP

OLD, NEW = Passphrase("correct horse"), Passphrase("battery staple")
FEDERATIONS = (bytes(range(32)), bytes(range(1, 33)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An identity, and key shares and seeds of two federations."""
    home = tmp_path / "home"
    create(home, "H1", OLD, CHEAP)
    for number, federation in enumerate(FEDERATIONS, start=1):
        vault = vault_of(home, federation)
        vault.store_key_share(1, b"share %d" % number, OLD)
        vault.new_seed("ceremony/2", OLD)
        vault.forget_seed("ceremony/1")
    (home / FEDERATIONS[0].hex()[:16] / "models").mkdir()
    return home


def vault_of(home: Path, federation: bytes) -> Vault:
    return Vault(home / federation.hex()[:16] / "vault", federation, 1, CHEAP)


def opens_with(home: Path, passphrase: Passphrase) -> bool:
    """Whether everything in a home opens with it; what is there must be what was."""
    try:
        load(home, passphrase)
        for number, federation in enumerate(FEDERATIONS, start=1):
            vault = vault_of(home, federation)
            assert vault.read_key_share(1, passphrase) == b"share %d" % number
            vault.seed("ceremony/2", passphrase)
    except WrongPassphrase:
        return False
    return True


def test_everything_opens_with_the_new_passphrase_and_nothing_with_the_old(home: Path) -> None:
    seeds = [vault_of(home, f).seed("ceremony/2", OLD) for f in FEDERATIONS]
    before = contents(home)
    assert change(home, OLD, NEW) == 5
    assert opens_with(home, NEW)
    for path in home.rglob("*.sealed"):
        with pytest.raises(WrongPassphrase):
            passphrase_change.reseal(path, home / "x", OLD, NEW)
    assert [vault_of(home, f).seed("ceremony/2", NEW) for f in FEDERATIONS] == seeds
    after = contents(home)
    assert set(after) == set(before)
    assert {name for name in after if after[name] == before[name]} == {
        name for name in before if not name.endswith(".sealed")
    }


def test_purpose_and_cost_stay_what_they_were(home: Path) -> None:
    def headers() -> list[tuple[SealedFor, Argon2Cost]]:
        parsed = [_parse(p, p.read_bytes())[0] for p in sorted(home.rglob("*.sealed"))]
        return [(header.purpose, header.cost) for header in parsed]

    before = headers()
    change(home, OLD, NEW)
    assert headers() == before
    assert {cost for _, cost in before} == {CHEAP}


def test_a_wrong_passphrase_changes_nothing(home: Path) -> None:
    before = contents(home)
    with pytest.raises(WrongPassphrase) as caught:
        change(home, Passphrase("something else"), NEW)
    assert caught.value.path.name == "identity.sealed"
    assert contents(home) == before


def test_a_file_that_does_not_open_is_named_and_nothing_is_changed(home: Path) -> None:
    path = home / FEDERATIONS[1].hex()[:16] / "vault" / "key-share-1.sealed"
    path.write_bytes(flipped(path.read_bytes()))
    before = contents(home)
    with pytest.raises(WrongPassphrase) as caught:
        change(home, OLD, NEW)
    assert caught.value.path == path
    assert contents(home) == before


def test_the_same_passphrase_is_told(home: Path) -> None:
    with pytest.raises(BadPassphrase):
        change(home, OLD, Passphrase("correct horse"))


def test_a_second_time_there_is_nothing_to_do(home: Path) -> None:
    change(home, OLD, NEW)
    before = contents(home)
    assert change(home, OLD, NEW) == 0
    assert contents(home) == before


def test_a_home_without_identity_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        change(tmp_path, OLD, NEW)


def test_a_federation_at_work_is_named_and_left_alone(home: Path) -> None:
    before = contents(home)
    with hold(home / FEDERATIONS[1].hex()[:16], "train"), pytest.raises(AlreadyRunning) as caught:
        change(home, OLD, NEW)
    assert caught.value.command == "train"
    assert contents(home) == before


def test_a_full_disk_leaves_the_old_state(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real, count = contents(home), seal, 0

    def full(path: Path, *arguments: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            raise DiskError(path, "No space left on device")
        real(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("participant.home.sealed_file.seal", full)
    with pytest.raises(DiskError):
        change(home, OLD, NEW)
    assert contents(home) == before
    assert not (home / "passphrase-change.tmp").exists()


def died(home: Path, dies_at: int) -> bool:
    """Change the passphrase on a machine that dies; whether it did."""
    return not survived(lambda: change(home, OLD, NEW), dies_at, OF_A_HOSPITAL)


def copied(home: Path, target: Path) -> Path:
    for name, data in contents(home).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return target


def test_whenever_the_machine_dies_all_is_old_or_all_is_new(home: Path, tmp_path: Path) -> None:
    outcomes = []
    for dies_at in range(1, 1_000):
        crashed = copied(home, tmp_path / f"crash-{dies_at}")
        if not died(crashed, dies_at):
            break
        finish(crashed)  # as whatever command comes next does
        is_old, is_new = opens_with(crashed, OLD), opens_with(crashed, NEW)
        assert is_old != is_new, dies_at
        outcomes.append(is_new)
        assert change(crashed, OLD, NEW) == (0 if is_new else 5)
        assert opens_with(crashed, NEW)
        assert set(contents(crashed)) == set(contents(home)), dies_at
    assert outcomes == sorted(outcomes)  # there is one moment of decision
    assert False in outcomes
    assert True in outcomes
    assert len(outcomes) > 40


def test_the_command_alone_finishes_what_a_crash_left(home: Path, tmp_path: Path) -> None:
    for dies_at in range(1, 1_000):
        crashed = copied(home, tmp_path / f"crash-{dies_at}")
        if not died(crashed, dies_at):
            break
        change(crashed, OLD, NEW)
        assert opens_with(crashed, NEW)
        assert not (crashed / "passphrase-change").exists()
        assert not (crashed / "passphrase-change.tmp").exists()


def test_a_second_crash_while_finishing_is_finished_too(home: Path, tmp_path: Path) -> None:
    def decided(target: Path) -> Path:
        """Right after the decision, before any file is in its place."""
        made = copied(home, target)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passphrase_change, "_put_in_place", lambda home: None)
            change(made, OLD, NEW)
        assert opens_with(made, OLD)
        return made

    for dies_at in range(1, 1_000):
        crashed = decided(tmp_path / f"crash-{dies_at}")
        if survived(partial(finish, crashed), dies_at, OF_A_HOSPITAL):
            break
        assert finish(crashed) or opens_with(crashed, NEW)
        assert opens_with(crashed, NEW)
    assert dies_at > 10
