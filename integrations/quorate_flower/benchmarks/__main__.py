# SPDX-License-Identifier: Apache-2.0
"""How much longer a round of Flower takes with quorate: ``python -m benchmarks``.

The same app with and without quorate, one after the other, behind a SuperLink and three SuperNodes
of this machine. A round is from when the ServerApp sends its messages to when it has all replies.
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.stage.deployment import Deployment
from tests.stage.federation import Federation
from tests.stage.plus import APP, received, without_quorate

HOSPITALS = 3


def main() -> None:
    """Print both, and their difference."""
    options = argparse.ArgumentParser()
    options.add_argument("--weights", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--key-bits", type=int, default=3072)
    given = options.parse_args()
    config = {"num_server_rounds": given.rounds, "weights": given.weights}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with Federation(folder / "federation", HOSPITALS, given.key_bits) as federation:
            sockets = federation.study("million", given.rounds, 300)
            settings = [{"quorate-socket": str(path)} for path in sockets]
            ours = _seconds(folder / "ours", APP, settings, config)
        clear = _seconds(folder / "clear", without_quorate(folder), [{}] * HOSPITALS, config)
    print(f"{given.weights} weights, {HOSPITALS} SuperNodes, key of {given.key_bits} bits,")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; seconds of each round:")
    print("with quorate   ", *(f"{one:6.1f}" for one in ours))
    print("without        ", *(f"{one:6.1f}" for one in clear))
    print(f"added, of medians: {statistics.median(ours) - statistics.median(clear):.1f} s")


def _seconds(
    folder: Path, app: Path, settings: list[dict[str, str]], config: dict[str, Any]
) -> list[float]:
    folder.mkdir()
    log = folder / "received.jsonl"
    with Deployment(folder) as deployment:
        deployment.superlink()
        for k, own in enumerate(settings):
            deployment.supernode(k + 1, {"partition-id": k, **own})
        said = deployment.run(app, timeout=900, log=f'"{log}"', **config)
    replies = received(log)
    if len(replies) != HOSPITALS * config["num_server_rounds"] or any(
        "error" in r for r in replies
    ):
        raise SystemExit(said + "".join(f"{reply}\n" for reply in replies))
    return [reply["seconds"] for reply in replies[::HOSPITALS]]


if __name__ == "__main__":
    main()
