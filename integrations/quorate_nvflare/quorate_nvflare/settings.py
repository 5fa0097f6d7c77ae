# SPDX-License-Identifier: Apache-2.0
"""What a site sets: in the properties of a scope of its privacy.json, else in the environment.

    quorate-socket   QUORATE_SOCKET   path of the agent's socket; {site} in it is the site's name
    quorate-metrics  QUORATE_METRICS  names of the metrics that may leave, separated by commas
    quorate-app      QUORATE_APP      SHA-256 of the app, where the study's plan pins one

Nothing is read from the job: it comes from whoever submits it. So the filters have no arguments.
"""

import re
from dataclasses import dataclass

from nvflare.apis.fl_constant import FLContextKey
from nvflare.apis.fl_context import FLContext

from quorate_client.settings import METRICS, SOCKET, HospitalSettings, variable
from quorate_nvflare.errors import BadSettings

_IS_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Settings:
    """The settings of one site."""

    socket: str
    metrics: frozenset[str] = frozenset()
    app: str = ""


def read_settings(fl_ctx: FLContext) -> Settings:
    """Raises BadSettings."""
    given = HospitalSettings(fl_ctx.get_prop(FLContextKey.SCOPE_PROPERTIES) or {}, BadSettings)
    if not (socket := given.text(SOCKET)):
        raise BadSettings(
            f"this site names no quorate agent: set {SOCKET} in the properties of the scope in "
            f"local/privacy.json, or {variable(SOCKET)} in the environment of the site"
        )
    site = fl_ctx.get_identity_name()
    if "{site}" in socket and not _IS_SITE.fullmatch(site):
        raise BadSettings(
            f"{SOCKET} has {{site}} in it, and the name {site!r} is none of a file: name the "
            "path without it"
        )
    return Settings(socket.replace("{site}", site), given.names(METRICS), given.app())
