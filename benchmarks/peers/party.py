"""One party of the peer's key generation; runs in the peer's own environment.

``python party.py BITS INDEX PORT PORT …``: the ports of all parties, this one's by its index.
Every parameter but the key's length has the peer's default.
"""

import asyncio
import sys

from tno.mpc.communication import Pool
from tno.mpc.protocols.distributed_keygen import DistributedPaillier


async def generate(bits: int, index: int, ports: list[int]) -> int:
    """Make a joint key with the parties at the other ports; its modulus."""
    pool = Pool()
    pool.add_http_server(port=ports[index], addr="127.0.0.1")
    for other, port in enumerate(ports):
        if other != index:
            pool.add_http_client(f"party{other}", addr="127.0.0.1", port=port)
    scheme = await DistributedPaillier.from_security_parameter(pool, key_length=bits)
    modulus = int(scheme.public_key.n)
    await pool.shutdown()
    return modulus


if __name__ == "__main__":
    key_bits, own, *others = map(int, sys.argv[1:])
    print(f"{asyncio.run(generate(key_bits, own, others)):x}")
