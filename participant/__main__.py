"""``python -m participant`` is ``quorate-participant``."""

from __future__ import annotations

from protocol.system import end_where_unsupported


def main() -> None:
    """Run the command line, where the system has what it needs."""
    end_where_unsupported("quorate-participant")
    from participant import cli

    cli.main()


if __name__ == "__main__":
    main()
