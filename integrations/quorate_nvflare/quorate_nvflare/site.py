# SPDX-License-Identifier: Apache-2.0
"""``python -m quorate_nvflare.site KIT``: write a site's ``local`` so that the filters decide.

    privacy.json        one scope, with both filters; jobs that name another are refused
    authorization.json  nobody may submit a job that brings code
    resources.json      jobs are made of the classes that are named here; no log goes to the server

Each is made from the file that NVFlare has provisioned beside it (``.default``). What the site has
written itself is not touched.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from quorate_client.settings import APP, METRICS, SOCKET, HospitalSettings
from quorate_nvflare.errors import BadSettings

_FILTERS = ("quorate_nvflare.model_filter.QuorateModelFilter",
            "quorate_nvflare.update_filter.QuorateUpdateFilter")  # fmt: skip
_STREAMER = "site_log_streamer"  # sends the site's error log, with what an app raises
_RIGHTS = ("submit_job", "clone_job", "manage_job", "download_job", "view", "operate",
           "shell_commands")  # fmt: skip
_CODE = "byoc"  # NVFlare's name of the right to bring code


def privacy(socket: str, metrics: Iterable[str], app: str = "") -> dict[str, Any]:
    """What privacy.json has.

    socket: path of the agent's. metrics: those that may leave. app: SHA-256 in hex, if a plan pins
    one. Raises BadSettings.
    """
    properties = {SOCKET: socket, METRICS: ", ".join(metrics)}
    properties |= {APP: said} if (said := HospitalSettings({APP: app}, BadSettings).app()) else {}
    incoming, outgoing = ([{"path": path, "args": {}}] for path in _FILTERS)
    scope = {
        "name": "quorate",
        "properties": properties,
        "task_data_filters": incoming,
        "task_result_filters": outgoing,
    }
    return {"scopes": [scope], "default_scope": "quorate"}


def resources(default: Mapping[str, Any], classes: Iterable[str]) -> dict[str, Any]:
    """What resources.json has. classes: that a job may use beside the filters."""
    components = [one for one in default["components"] if one.get("id") != _STREAMER]
    return {
        **default,
        "class_list_enforcement_mode": "enforce",
        "class_allow_list": [*_FILTERS, *classes],
        "allow_log_streaming": False,
        "components": components,
    }


def authorization(default: Mapping[str, Any]) -> dict[str, Any]:
    """What authorization.json has: rights as provisioned, without the one to bring code."""
    roles = {
        role: {**(dict.fromkeys(_RIGHTS, rights) if isinstance(rights, str) else rights),
               _CODE: "none"}
        for role, rights in default["permissions"].items()
    }  # fmt: skip
    return {**default, "permissions": roles}


def write_local(kit: Path, scope: Mapping[str, Any], classes: Iterable[str]) -> None:
    """Write the three files into a site's kit. Raises BadSettings, before it writes any.

    scope: what ``privacy`` makes. classes: that a job may use beside the filters.
    """
    local = kit / "local"
    made = {
        "privacy.json": scope,
        "resources.json": resources(_provisioned(local / "resources.json"), classes),
        "authorization.json": authorization(_provisioned(local / "authorization.json")),
    }
    for name in made:
        if (local / name).exists():
            raise BadSettings(
                f"{local / name} is there already: move it away, and add to the new one what you "
                "need of it"
            )
    for name, found in made.items():
        (local / name).write_text(json.dumps(found, indent=2) + "\n")


def _provisioned(path: Path) -> dict[str, Any]:
    default = path.with_name(f"{path.name}.default")
    try:
        found = json.loads(default.read_text())
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadSettings(
            f"{default} cannot be read ({reason}): name the folder that NVFlare has provisioned "
            "for this site, which has startup and local in it"
        ) from None
    except ValueError as error:
        raise BadSettings(f"{default} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadSettings(f"{default} is not what NVFlare provisions")
    return found


def main() -> None:
    """Write it, and say so."""
    parser = argparse.ArgumentParser(
        prog="python -m quorate_nvflare.site",
        description="Write a site's local folder so that quorate's filters decide what leaves.",
    )
    parser.add_argument("kit", type=Path, help="the folder that NVFlare has provisioned")
    parser.add_argument("--socket", required=True, help="of the hospital's quorate agent")
    parser.add_argument("--metric", action="append", default=[], help="that may leave")
    parser.add_argument("--allow", action="append", default=[], metavar="CLASS", help="of a job")
    parser.add_argument("--app", default="", metavar="SHA256", help="that the study's plan pins")
    said = parser.parse_args()
    try:
        write_local(said.kit, privacy(said.socket, said.metric, said.app), said.allow)
    except BadSettings as error:
        sys.exit(f"quorate_nvflare: {error}")
    print(f"written: privacy.json, resources.json and authorization.json in {said.kit / 'local'}")


if __name__ == "__main__":
    main()
