"""What is in a folder, and bytes with a fault in them."""

from pathlib import Path


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder, but the lock of whoever is at work in it."""
    found = [p for p in folder.rglob("*") if p.is_file() and p.name != "lock"]
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found}


def flipped(data: bytes, at: int = -1, bit: int = 0) -> bytes:
    """The bytes with one bit changed."""
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)
