"""Three hospitals as programs have them, in one event loop."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from participant import Hospital
from participant.home.vault import Vault
from protocol.messages.plan import Statistic, Training
from tests.stage.consortium import CHEAP, PASSPHRASE, Consortium, found

Opens = Callable[[int], Hospital]


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    """What is kept is sealed at little cost."""
    with patch("participant.home.membership.Vault", partial(Vault, cost=CHEAP)):
        yield


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    """With the plans of a study of two rounds and of a statistic, and an aggregator at work."""
    made = found(tmp_path)
    made.planned("cardio", Training(2, 8.0, 24, 1_000))
    made.planned("visits", Statistic(1, 0, "visits"))
    with made.relay.running():
        yield made


@pytest.fixture
def opened(consortium: Consortium) -> Opens:
    """Opens a hospital by its number."""

    def opens(number: int) -> Hospital:
        home = consortium.folder / f"h{number}"
        return Hospital.open(consortium.file, passphrase=PASSPHRASE.text, home=home)

    return opens
