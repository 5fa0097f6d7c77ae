"""The end of the processes that user code has forked or begun."""

import contextlib
import os
import sys
from typing import NoReturn


def end_fork(error: BaseException | None) -> NoReturn:
    """End this process at once: with the code of a SystemExit, 0 without an error, else 1.

    Nothing else is run: connections, locks and files are those of the process that it is from.
    """
    code: object = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = 0 if error.code is None else error.code
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code & 0xFF if isinstance(code, int) else 1)


def end_workers() -> None:
    """Ask the workers that user code began with multiprocessing to end, and wait for none.

    Pools, executors and data loaders end theirs when the interpreter ends. Where it is not let to,
    some would wait for work without end.
    """
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for worker in multiprocessing.active_children():
            worker.terminate()
