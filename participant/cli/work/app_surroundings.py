"""What an app's process is given of this one's environment."""

import os
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from participant.flower import NODE_CONFIG, node_config_in
from participant.home import PASSPHRASE_VARIABLE
from protocol.errors import Malformed

AppEnv = Annotated[
    list[str],
    typer.Option(
        metavar="NAME[=VALUE]", help="A variable of the environment for the app; repeatable."
    ),
]
AppUser = Annotated[
    str | None, typer.Option(metavar="USER", help="Run the app as this user of the machine.")
]
NodeConfig = Annotated[
    str | None,
    typer.Option(
        metavar="'NAME=VALUE ...'", help="What a Flower app's node config says of this hospital."
    ),
]


def variables_of(
    given: Sequence[str],
    node_config: str | None = None,
    environment: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """The variables that ``--app-env`` names, with the value that it gives or the present one.

    And the one with ``--node-config``, which a Flower app reads there.
    """
    found = {} if node_config is None else {NODE_CONFIG: _checked(node_config)}
    for one in given:
        name, is_set, value = one.partition("=")
        if not name:
            raise _wrong("give the NAME of a variable, or NAME=VALUE")
        if name == PASSPHRASE_VARIABLE:
            raise _wrong(f"an app never gets the passphrase ({name})")
        if not is_set and name not in environment:
            raise _wrong(f"{name} is not set here: set it, or give {name}=VALUE")
        found[name] = value if is_set else environment[name]
    return found


def _checked(node_config: str) -> str:
    try:
        node_config_in(node_config)
    except Malformed as error:
        raise typer.BadParameter(str(error), param_hint="--node-config") from None
    return node_config


def _wrong(reason: str) -> typer.BadParameter:
    return typer.BadParameter(reason, param_hint="--app-env")
