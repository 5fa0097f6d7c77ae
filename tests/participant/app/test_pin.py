"""An app has one SHA-256, that of sha256sum; whatever is changed in it changes that."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from participant.app.pin import hash_of_app
from participant.errors import BadApp, MissingFile
from protocol.errors import WrongKind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "parts").mkdir(parents=True)
    (root / "__init__.py").write_text("from app.parts import net\n")
    (root / "parts" / "net.py").write_text("depth = 3\n")
    (root / "parts" / "übung.txt").write_text("x")
    return root


def test_a_file_has_the_hash_of_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    path.write_bytes(b"def fit(): ...\n")
    assert hash_of_app(path) == hashlib.sha256(b"def fit(): ...\n").digest()


def test_a_folder_has_the_hash_of_what_sha256sum_lists(folder: Path) -> None:
    command = "find . -type f -printf '%P\\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"
    found = subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=True)
    assert hash_of_app(folder).hex() == found.stdout.decode().split()[0]


def test_what_python_caches_is_no_part_of_it(folder: Path) -> None:
    before = hash_of_app(folder)
    (folder / "parts" / "__pycache__").mkdir()
    (folder / "parts" / "__pycache__" / "net.pyc").write_bytes(b"\0")
    assert hash_of_app(folder) == before


def test_every_change_is_another_app(folder: Path) -> None:
    seen = {hash_of_app(folder)}
    (folder / "parts" / "net.py").write_text("depth = 4\n")
    seen.add(hash_of_app(folder))
    (folder / "parts" / "net.py").rename(folder / "net.py")
    seen.add(hash_of_app(folder))
    (folder / "data.bin").write_bytes(b"")
    seen.add(hash_of_app(folder))
    assert len(seen) == 4


def test_what_is_no_app_has_no_hash(tmp_path: Path) -> None:
    with pytest.raises(MissingFile):
        hash_of_app(tmp_path / "none.py")
    (tmp_path / "key.pem").write_text("-----BEGIN KEY")
    with pytest.raises(WrongKind):
        hash_of_app(tmp_path / "key.pem")


@pytest.mark.parametrize("what", ["a line break", "a pipe", "a folder elsewhere"])
def test_what_no_list_of_files_can_hold_is_refused(folder: Path, tmp_path: Path, what: str) -> None:
    if what == "a line break":
        (folder / "a\nb").write_text("x")
    elif what == "a pipe":
        os.mkfifo(folder / "pipe")
    else:
        (folder / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(BadApp):
        hash_of_app(folder)
