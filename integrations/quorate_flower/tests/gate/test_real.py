# SPDX-License-Identifier: Apache-2.0
"""The gate between a SuperLink and a SuperNode of Flower's, each a process of its own.

The SuperLink speaks TLS, and knows the gate's key alone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gate import certificates
from tests.gate.network import Network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("network")
    made = Network(folder, certificates.make(folder / "tls"))
    try:
        made.superlink()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def app(network: Network) -> Path:
    """The app that the hospital has listed, with a gate and a SuperNode that are up."""
    folder, listed = network.app("1.0.0")
    options = ("--app", listed, "--metrics", "train_loss", "--private-key")
    network.supernode(network.gate(*options, network.registered_key()))
    return folder


def test_of_a_listed_app_numbers_and_receipts_arrive_and_no_array(
    network: Network, app: Path
) -> None:
    got = network.run(app, "numbers", "arrays", "large", "text", "error")
    assert "'metrics': {'num-examples': 1, 'train_loss': 0.123457}" in got["numbers"]
    assert "'model': 'abababab" in got["numbers"]
    for sends in ("arrays", "large"):
        assert got[sends].startswith("error 6: quorate gate: a reply has")
        assert "no arrays may leave, so the app must use quorate_mod" in got[sends]
    assert got["text"] == "error 6: quorate gate: a receipt has other fields than quorate's"
    assert got["error"].startswith("error 2: quorate gate: the app fails")
    assert "patient" not in str(got) + network.log("gate") + network.log("superlink")
    assert "patient" in network.log("supernode")


def test_the_server_app_is_told_of_an_app_that_is_not_listed(network: Network, app: Path) -> None:
    other, bundle = network.app("2.0.0")
    told = network.run(other, "numbers")["numbers"]
    assert told.startswith(f"error 7: quorate gate: this hospital does not run app {bundle}")
