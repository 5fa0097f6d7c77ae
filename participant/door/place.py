"""Where the agent's socket lies: in the federation's folder in the hospital's home."""

from pathlib import Path

from participant.disk import check_path

SOCKET_NAME = "agent.sock"


def socket_path(folder: Path) -> Path:
    """The socket's path; raises PathTooLong."""
    return check_path(folder / SOCKET_NAME)
