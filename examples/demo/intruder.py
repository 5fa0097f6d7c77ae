"""Somebody who is not in the roster tries to take part."""

import asyncio
import secrets
import ssl

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect

from protocol.encoding import encode
from protocol.terms import AddressCard, Terms
from protocol.wire import MemberHandshake, Rejected, decode_confirmation


def knock(terms: Terms, card: AddressCard, member: int) -> str:
    """Claim to be a member, signing with a key of one's own; the code of the rejection."""
    return asyncio.run(_knock(terms, card, member))


async def _knock(terms: Terms, card: AddressCard, member: int) -> str:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    async with connect(card.url, ssl=tls, compression=None, proxy=None) as connection:
        key, instance = Ed25519PrivateKey.generate(), secrets.token_bytes(16)
        handshake = MemberHandshake(terms, card, member, instance, "member", key)
        hello, channel = handshake.answer(_bytes(await connection.recv()))
        await connection.send(encode(hello))
        answer = decode_confirmation(channel.open(_bytes(await connection.recv())))
    return answer.code if isinstance(answer, Rejected) else "welcome"


def _bytes(data: str | bytes) -> bytes:
    assert isinstance(data, bytes)
    return data
