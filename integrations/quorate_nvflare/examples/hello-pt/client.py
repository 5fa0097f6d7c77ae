# SPDX-License-Identifier: Apache-2.0
"""Each site trains on its own pictures, with PyTorch."""

import zlib

import nvflare.client as flare
import torch
from model import Net

State = dict[str, torch.Tensor]
EPOCHS = 5


def pictures(site: str) -> tuple[torch.Tensor, torch.Tensor]:
    """What this site has: noisy copies of ten pictures, another number of them at each."""
    classes = torch.rand(10, 64, generator=torch.Generator().manual_seed(1))
    own = torch.Generator().manual_seed(zlib.crc32(site.encode()))
    count = int(torch.randint(150, 300, (1,), generator=own))
    of = torch.randint(0, 10, (count,), generator=own)
    return classes[of] + 0.3 * torch.randn(count, 64, generator=own), of


def accuracy(state: State, site: str) -> float:
    """Of this site's pictures, how many are told right."""
    net, (x, of) = Net(), pictures(site)
    net.load_state_dict(state)
    with torch.no_grad():
        return float((net(x).argmax(1) == of).float().mean())


def train(state: State, site: str) -> tuple[State, int]:
    """The model after some epochs on this site's pictures, and how many pictures there are."""
    net, (x, of) = Net(), pictures(site)
    net.load_state_dict(state)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(EPOCHS):
        for batch in range(0, len(x), 32):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(net(x[batch:][:32]), of[batch:][:32])
            loss.backward()
            optimizer.step()
    return {name: values.detach() for name, values in net.state_dict().items()}, len(x)


def main() -> None:
    """Train for as long as the server has rounds."""
    flare.init()
    site = flare.get_site_name()
    torch.set_num_threads(1)
    while flare.is_running():
        given = flare.receive()
        state: State = given.params
        found = accuracy(state, site)
        trained, count = train(state, site)
        print(f"{site}: accuracy {found:.3f} before training")
        flare.send(
            flare.FLModel(
                params=trained, metrics={"accuracy": found}, meta={"NUM_STEPS_CURRENT_ROUND": count}
            )
        )


if __name__ == "__main__":
    main()
