# SPDX-License-Identifier: Apache-2.0
"""Sites of one job train one study: each says which before its first round, and waits for others.

The server compares. An agent that has begun is tied to the job, so none begins before. Agents of
two studies would wait for each other's hospitals until the job is given up.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply

from quorate_client import Answer
from quorate_nvflare.errors import OtherStudy

TOPIC = "quorate.study"  # of NVFlare's auxiliary messages
PATIENCE = 10.0  # seconds that other sites have to say it: a job may train at some of them alone
_SECONDS = 10.0  # that the server has to answer
_SAID, _ARE_ALL = "study", "all"


@dataclass(frozen=True)
class Study:
    """What an agent trains. identity: digest of the study with its federation's terms, in hex."""

    federation: str
    study: str
    identity: str

    @classmethod
    def of(cls, hello: Answer) -> Study:
        """As the agent has said it."""
        return cls(
            *(str(hello.facts.get(name, "")) for name in ("federation", "study", "identity"))
        )

    @classmethod
    def read(cls, request: Shareable) -> Study | None:
        """What a site has said, None if that is not what an agent says of itself."""
        said = request.get(_SAID)
        if not isinstance(said, Mapping) or said.keys() != {"federation", "study", "identity"}:
            return None
        found = cls(**said)
        if not all(isinstance(one, str) for one in said.values()):
            return None
        is_name = len(found.federation) <= 64 and found.federation.isprintable()
        is_study = re.fullmatch(r"([a-z][a-z0-9._-]{0,63})?", found.study)
        is_identity = re.fullmatch(r"([0-9a-f]{64})?", found.identity)
        return found if is_name and is_study and is_identity else None

    def __str__(self) -> str:
        return f"study {self.study} of federation {self.federation} ({self.identity[:16]})"


def disagreement(found: Mapping[str, Study]) -> str | None:
    """Why sites cannot train together, by name; None if all have said the same. found: by site."""
    sites: dict[Study, list[str]] = {}
    for site, study in found.items():
        sites.setdefault(study, []).append(site)
    if len(sites) < 2:
        return None
    stand = ", ".join(f"{' and '.join(sorted(s))} at an agent of {one}" for one, s in sites.items())
    return (
        f"the sites of this job train different studies: {stand}. Set quorate-socket in "
        "local/privacy.json of the wrong ones to the socket with which their hospitals have "
        "approved the other study, start those sites anew, and submit the job again"
    )


def require_same_study(own: Study, socket: str, fl_ctx: FLContext) -> None:
    """Tell the server which study this site trains. Raises OtherStudy if another site's differs.

    Returns when all sites have told it, or PATIENCE is over. A server without QuorateAggregator
    does not compare.
    """
    end = time.monotonic() + PATIENCE
    while (reply := _told(own, fl_ctx)).get_return_code() == ReturnCode.OK:
        if reply.get(_ARE_ALL) or time.monotonic() > end:
            return
        time.sleep(0.1)
    if reply.get_return_code() == ReturnCode.BAD_REQUEST_DATA:
        raise OtherStudy(
            f"the agent at {socket} trains {own}, and another site of this job trains another one: "
            "the server's log names both. Set quorate-socket in local/privacy.json to the socket "
            "of the study that the job is for"
        )


def _told(own: Study, fl_ctx: FLContext) -> Shareable:
    request = Shareable()
    request[_SAID] = asdict(own)
    replies = fl_ctx.get_engine().send_aux_request(None, TOPIC, request, _SECONDS, fl_ctx)
    return next(iter(replies.values()), make_reply(ReturnCode.COMMUNICATION_ERROR))


def answered(reason: str | None, are_all: bool) -> Shareable:
    """The server's answer to a site. are_all: whether all sites have told what they train."""
    made = make_reply(ReturnCode.BAD_REQUEST_DATA if reason else ReturnCode.OK)
    made[_ARE_ALL] = are_all
    return made
