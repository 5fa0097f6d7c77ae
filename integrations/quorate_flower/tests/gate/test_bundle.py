# SPDX-License-Identifier: Apache-2.0
"""Which runs and bundles come in."""

import pytest
from quorate_flower.gate.bundle import judge_fab, judge_run
from quorate_flower.gate.errors import Refused

from tests.gate.replies import APP, BUNDLE, RUN, fab, run

APPS = frozenset({APP})


def test_a_listed_app_of_the_run_comes_in() -> None:
    judge_run(run(), RUN, APPS)
    assert judge_fab(fab(), run(), APPS).content == BUNDLE


def test_an_app_that_is_not_listed_does_not_come_in() -> None:
    with pytest.raises(Refused, match=f"does not run app {'0' * 64}"):
        judge_run(run(fab_hash="0" * 64), RUN, APPS)


def test_the_content_counts_and_not_the_hash_that_it_is_sent_under() -> None:
    told = fab(b"other code")
    told.hash_str = APP
    with pytest.raises(Refused, match="does not run app"):
        judge_fab(told, run(), APPS)


def test_one_listed_app_does_not_come_in_for_another() -> None:
    other = fab(b"another reviewed bundle")
    with pytest.raises(Refused, match="another app than the run names"):
        judge_fab(other, run(), APPS | {other.hash_str})


def test_a_run_is_the_one_that_the_message_names() -> None:
    with pytest.raises(Refused, match="another run"):
        judge_run(run(run_id=78), RUN, APPS)


@pytest.mark.parametrize("kind", ["flwr-agentapp", "flwr-connector", "flwr-model", ""])
def test_runs_of_other_kinds_do_not_come_in(kind: str) -> None:
    with pytest.raises(Refused, match="not a ServerApp's"):
        judge_run(run(primary_task_type=kind), RUN, APPS)


def test_a_hash_that_is_none_is_not_repeated() -> None:
    with pytest.raises(Refused, match="app without a hash"):
        judge_run(run(fab_hash="<script>"), RUN, APPS)


def test_the_hash_is_that_of_the_content_whatever_the_superlink_says() -> None:
    told = fab()
    told.hash_str = "f" * 64
    assert judge_fab(told, run(), APPS).hash_str == APP
