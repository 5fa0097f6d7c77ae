"""The service of a federation that took a key over logs when it counts."""

import logging
from pathlib import Path

import pytest

from protocol.wire.frames import Accepted, Submit
from tests.stage.caller import serving
from tests.stage.desk import Desk
from tests.stage.handover.inherited import SESSION, InheritedKey
from tests.stage.handover.posted import PostedHandover, copied
from tests.stage.toy import toy_epoch

COUNTS = "handover/0: enough members have taken over the joint key, epoch 2"


async def test_the_log_says_when_the_key_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "quorate")
    toy = toy_epoch(3, 2)
    handed = PostedHandover(copied(toy), toy.secrets, [1, "G1", 2], 2).run()
    inherited = InheritedKey(handed)
    desk = Desk(tmp_path / "agg", inherited.federation)
    assert desk.federation.terms.lock_threshold == 2
    async with serving(desk) as service:
        for number in (2, 3):
            assert COUNTS not in caplog.text
            async with service.member(number) as member:
                post = desk.sign(number, SESSION, inherited.word)
                assert isinstance(await member.ask(Submit(post)), Accepted)
    assert caplog.text.count(COUNTS) == 1
    assert "handover/0: inherited by G1" in caplog.text
