"""The systems that the programs run on, asked for before anything that needs one is imported."""

import sys
from importlib import import_module

SUPPORTED = "Linux and macOS"
_NEEDED = ("fcntl", "resource")  # locks of folders, the limit of open files


def end_where_unsupported(program: str) -> None:
    """End the process with a sentence where Python lacks what only these systems have."""
    if missing := [name for name in _NEEDED if not _is_there(name)]:
        sys.exit(
            f"{program}: this system ({sys.platform}) is not supported: its Python has no "
            f"{' and no '.join(missing)}\n"
            f"  use {SUPPORTED}. On Windows, the Windows Subsystem for Linux (WSL) is Linux"
        )


def _is_there(name: str) -> bool:
    try:
        import_module(name)
    except ImportError:
        return False
    return True
