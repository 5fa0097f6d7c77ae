# SPDX-License-Identifier: Apache-2.0
"""Sites whose agents train different studies are told so, by name, before a round begins."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from nvflare.apis.event_type import EventType
from nvflare.apis.fl_constant import ReturnCode
from nvflare.apis.fl_context import FLContext, FLContextManager
from nvflare.apis.shareable import Shareable
from quorate_nvflare.errors import OtherStudy
from quorate_nvflare.meeting import TOPIC, Study, require_same_study

from quorate_nvflare import QuorateAggregator
from tests.stage.server import Server

CARDIO = Study("north", "cardio", "ab" * 32)
OTHERS = {
    "study": Study("north", "lungs", "cd" * 32),
    "federation": Study("south", "cardio", "cd" * 32),
    "plan of a federation with the same names": Study("north", "cardio", "cd" * 32),
}


class Aggregator(QuorateAggregator):
    """``ended`` are the reasons why it would have ended the job."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[str] = []

    def system_panic(self, reason: str, fl_ctx: FLContext) -> None:
        self.ended.append(reason)


class Job:
    """A server at the start of a job, and sites that tell it what they train."""

    def __init__(self, *sites: str, compares: bool = True) -> None:
        self.server, self.aggregator = Server(*sites), Aggregator()
        if compares:
            context = self._context("server")
            self.aggregator.handle_event(EventType.START_RUN, context)

    def tells(self, site: str, study: Study) -> None:
        require_same_study(study, "/run/agent.sock", self._context(site))

    def says(self, site: str, said: Any) -> str:
        request = Shareable()
        request["study"] = said
        replies = self.server.send_aux_request(None, TOPIC, request, 1.0, self._context(site))
        return str(replies["server"].get_return_code())

    def _context(self, name: str) -> FLContext:
        return FLContextManager(self.server, name, "job-7", {}, {}).new_context()


def test_sites_of_one_study_begin_when_all_have_said_it() -> None:
    job = Job("site-1", "site-2")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(job.tells, "site-1", CARDIO)
        with pytest.raises(TimeoutError):
            first.result(0.3)
        job.tells("site-2", CARDIO)
        first.result(5)
    assert not job.aggregator.ended


def test_a_site_does_not_wait_forever_for_one_that_the_job_does_not_train_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quorate_nvflare.meeting.PATIENCE", 0.0)
    Job("site-1", "site-2").tells("site-1", CARDIO)


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_site_at_an_agent_of_another_study_ends_the_job_and_is_named(other: Study) -> None:
    job = Job("site-1", "site-2")
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(job.tells, "site-1", CARDIO)
        with pytest.raises(TimeoutError):
            first.result(0.3)
        with pytest.raises(OtherStudy, match=r"at /run/agent.sock trains .* Set quorate-socket"):
            job.tells("site-2", other)
        with pytest.raises(OtherStudy):  # and has begun nothing
            first.result(5)
    reason = job.aggregator.ended[0]
    assert f"site-1 at an agent of {CARDIO}, site-2 at an agent of {other}" in reason
    assert "Set quorate-socket in local/privacy.json" in reason


def test_what_is_no_study_is_not_shown_to_the_servers_operator() -> None:
    job = Job()
    right = {"federation": "north", "study": "cardio", "identity": "ab" * 32}
    for wrong in (
        None, "cardio", {}, {**right, "more": ""}, {**right, "study": 7},
        {**right, "identity": "x"}, {**right, "study": "\x1b[2J"},
        {**right, "federation": "\x1b[2J"},
        {**right, "federation": "n" * 65},
    ):  # fmt: skip
        assert job.says("site-1", wrong) == ReturnCode.BAD_REQUEST_DATA
    assert job.says("site-1", right) == ReturnCode.OK
    assert not job.aggregator.ended


def test_a_server_that_does_not_compare_lets_sites_begin() -> None:
    Job(compares=False).tells("site-1", CARDIO)
