"""``python -m participant`` is ``quorate-participant``."""

import sys


def main() -> None:
    """Run the command line, where the system and the installation have what it needs."""
    try:
        from protocol.programs.systems import end_where_unsupported

        end_where_unsupported("quorate-participant")
        from protocol.programs.processes import hide_memory

        hide_memory()
        from protocol.programs.imports import to_stay

        with to_stay():
            from participant import cli
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # of a module that is another than ours needs, or is not there
        sys.exit(
            f"quorate-participant: it cannot start, since a module cannot be imported: {error}\n"
            "  install quorate-fl into a virtual environment of its own; PYTHONPATH must name no "
            "folder with another module of that name"
        )
    cli.main()


if __name__ == "__main__":
    main()
