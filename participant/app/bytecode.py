"""An app is run as its sources say, and never from bytecode that lies beside them.

Python runs what is in ``__pycache__`` where that fits the source's time and size, or where it says
itself that nobody shall compare. The hash of a pinned app leaves that folder out, so whoever could
write there, or hands on a folder with it, would have other code run than was approved.
"""

import os
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType


def use_no_bytecode_of(app: Path) -> None:
    """Compile the modules of an app, a file or a folder, from their sources in this process.

    No bytecode of theirs is kept either. All other modules are read as before: an app that imports
    torch would else wait for thousands of files to be compiled.
    """
    whole = os.path.realpath(app)
    by_cache = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
        path = loader.get_filename(fullname)
        inside = os.path.realpath(os.path.dirname(path)), os.path.basename(path)
        if not Path(*inside).is_relative_to(whole):
            return by_cache(loader, fullname)
        code: CodeType = loader.source_to_code(loader.get_data(path), path)
        return code

    # Of the class, so that also what an app loads by hand comes from its source.
    SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
