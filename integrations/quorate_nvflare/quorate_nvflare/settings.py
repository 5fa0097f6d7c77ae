# SPDX-License-Identifier: Apache-2.0
"""What a site sets: in the properties of a scope of its privacy.json, else in the environment.

    quorate-socket   QUORATE_SOCKET   path of the agent's socket; {site} in it is the site's name
    quorate-metrics  QUORATE_METRICS  names of the metrics that may leave, separated by commas
    quorate-app      QUORATE_APP      SHA-256 of the app, where the study's plan pins one

Nothing is read from the job: it comes from whoever submits it. So the filters have no arguments.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext

from quorate_nvflare.errors import BadSettings

_SOCKET, _METRICS, _APP = "quorate-socket", "quorate-metrics", "quorate-app"
_IS_HASH = re.compile(r"([0-9a-f]{64})?")
_IS_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Settings:
    """The settings of one site."""

    socket: str
    metrics: frozenset[str] = frozenset()
    app: str = ""


def read_settings(fl_ctx: FLContext) -> Settings:
    """Raises BadSettings."""
    properties = fl_ctx.get_prop(FLContextKey.SCOPE_PROPERTIES) or {}
    if not (socket := _setting(properties, _SOCKET)):
        raise BadSettings(
            f"this site names no quorate agent: set {_SOCKET} in the properties of the scope in "
            f"local/privacy.json, or {_variable(_SOCKET)} in the environment of the site"
        )
    site = fl_ctx.get_identity_name()
    if "{site}" in socket and not _IS_SITE.fullmatch(site):
        raise BadSettings(
            f"{_SOCKET} has {{site}} in it, and the name {site!r} is none of a file: name the "
            "path without it"
        )
    metrics = _names(_setting(properties, _METRICS))
    app = read_hash(_setting(properties, _APP))
    return Settings(socket.replace("{site}", site), metrics, app)


def read_hash(app: str) -> str:
    """An app's SHA-256, or nothing. Raises BadSettings."""
    if not _IS_HASH.fullmatch(app):
        raise BadSettings(
            f"{_APP} of this site is no SHA-256: write the 64 digits, 0 to 9 and a to f, that the "
            "study's plan has"
        )
    return app


def _setting(properties: Mapping[str, object], name: str) -> str:
    found = properties.get(name, os.environ.get(_variable(name), ""))
    if not isinstance(found, str):
        raise BadSettings(f"{name} in local/privacy.json is no text: write it in quotes")
    return found.strip()


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def _names(text: str) -> frozenset[str]:
    return frozenset(name for part in text.split(",") if (name := part.strip()))
