# SPDX-License-Identifier: Apache-2.0
"""Run an app's file or folder under the agent that starts this process."""

import importlib.util
import sys
import traceback
from pathlib import Path
from typing import Any

from quorate_client.agent import Agent
from quorate_client.app import run
from quorate_client.errors import AgentError


def load(path: Path) -> Any:
    """The app in a Python file, or in a folder with ``__init__.py``: its ``app``, or itself."""
    place = path / "__init__.py" if path.is_dir() else path
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # so that worker processes find its classes
    spec.loader.exec_module(module)
    return getattr(module, "app", module)


def main() -> None:
    """``python -m quorate_client APP``: run a file or a folder under the agent that starts it."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m quorate_client APP.py")
    with Agent.of_environment() as agent:
        try:
            run(load(Path(sys.argv[1])), agent)
        except AgentError as error:
            sys.exit(f"quorate_client: {error}")
        except Exception as error:
            agent.failed("run", f"{type(error).__name__}: {error}", traceback.format_exc())
            raise


if __name__ == "__main__":
    main()
