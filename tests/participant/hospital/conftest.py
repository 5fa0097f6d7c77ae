"""Three hospitals as programs have them, in one event loop."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from participant import Hospital
from participant.home.vault import Vault
from protocol.terms.terms import RoundPolicy
from tests.stage.consortium import CHEAP, PASSPHRASE, Consortium, found

Opens = Callable[[int], Hospital]


@pytest.fixture(autouse=True)
def cheap() -> Iterator[None]:
    """What is kept is sealed at little cost."""
    with patch("participant.home.membership.Vault", partial(Vault, cost=CHEAP)):
        yield


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    """Of two rounds, with an aggregator at work."""
    made = found(tmp_path, rounds=RoundPolicy(2, 3, 30, 30, 3))
    with made.relay.running():
        yield made


@pytest.fixture
def opened(consortium: Consortium) -> Opens:
    """Opens a hospital by its number."""

    def opens(number: int) -> Hospital:
        home = consortium.folder / f"h{number}"
        return Hospital.open(consortium.file, passphrase=PASSPHRASE.text, home=home)

    return opens
