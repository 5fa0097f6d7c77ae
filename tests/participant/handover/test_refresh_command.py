"""``key refresh`` as people type it, with and without an agent that runs."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.participant.service.test_serve import running, serving
from tests.stage.consortium import Consortium, ended, with_key


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    """With a key."""
    made = with_key(tmp_path)
    with made.relay.running():
        yield made


def test_three_hospitals_type_it_and_have_new_shares_of_the_same_key(
    consortium: Consortium,
) -> None:
    n = consortium.member(1).held_key().epoch.n
    typed = [consortium.start(i, "key", "refresh", "federation.toml") for i in (1, 2, 3)]
    said = [ended(process) for process in typed]
    outputs = {output for output, _ in said}
    assert len(outputs) == 1
    (output,) = outputs
    assert "New key shares of Toy: epoch 2. The key is the same." in output
    assert "Destroy all backups of it" in output
    assert "quorate-participant key refresh federation.toml" in said[0][1]
    for i in (1, 2, 3):
        member = consortium.member(i)
        assert member.vault.epochs() == [2]
        assert member.held_key().epoch.n == n


def test_an_agent_that_runs_takes_part_and_agrees_where_its_people_type_it(
    consortium: Consortium,
) -> None:
    with serving(consortium, 1, "--json") as one, serving(consortium, 2, "--json") as two:
        running(one)
        running(two)
        third = consortium.start(3, "key", "refresh", "federation.toml", "--json")
        output, _ = consortium.typed(1, "key", "refresh", "federation.toml", "--json")
        done = json.loads(output.splitlines()[-1])
        assert (done["event"], done["epoch"]) == ("refreshed", 2)
        ended(third)
        attempt = consortium.relay.core.board.key.handovers.all[0].view.attempt
        assert attempt.consents == {1, 3}
        output, _ = consortium.typed(1, "key", "check", "federation.toml", "--json")
        assert json.loads(output.splitlines()[-1])["epoch"] == 2
