"""How things stand: what the running aggregator says, and what lies in this data folder."""

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

from participant.agent import load_checkpoint
from participant.disk import FolderStorage
from participant.errors import Unreachable
from participant.home import Membership
from participant.model import models_among
from participant.network.link import OPEN_SECONDS, Caller, Traffic, open_link
from protocol.errors import Malformed
from protocol.wire import StatusReport, StatusRequest


def local_facts(member: Membership) -> dict[str, Any]:
    """What this hospital holds; needs no connection."""
    models = models_among(member.storage.names("studies/"))
    return {
        "member": member.index,
        "name": member.identity.name,
        "data_folder": str(member.folder),
        "free_bytes": free_bytes(member.folder),
        "key_share_epochs": member.vault.epochs(),
        # By study: after which round the last is, and how many there are.
        "models": {study: max(numbers) for study, numbers in models.items()},
        "models_kept": {study: len(numbers) for study, numbers in models.items()},
        "post_on_its_way": member.storage.read("outbox/post") is not None,
    }


def free_bytes(folder: Path) -> int | None:
    """What a user may still write on the disk of a folder; None if it cannot be written to."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), folder)
    try:
        found = os.statvfs(there)
    except OSError:
        return None
    if found.f_flag & os.ST_RDONLY or not os.access(there, os.W_OK):
        return None
    return found.f_bavail * found.f_frsize


def entries_seen(folder: Path) -> int:
    """How many entries of the board this hospital has seen; raises Malformed.

    folder: the federation's in the hospital's home.
    """
    seen = load_checkpoint(FolderStorage(folder))
    return seen.position if seen else 0


async def ask_aggregator(member: Membership) -> dict[str, Any]:
    """The aggregator's report; raises Unreachable, Malformed, and what ``open_link`` raises."""
    key, instance = member.identity.signing_key, secrets.token_bytes(16)
    caller = Caller(member.index, key, instance, "status")
    async with open_link(member.terms, member.address.newest, caller, Traffic()) as link:
        await link.send(StatusRequest())
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                while not isinstance(frame := await link.receive(), StatusReport):
                    pass
        except TimeoutError:
            raise Unreachable(link.url, "it does not say how things stand") from None
    return read_report(frame.report)


def read_report(data: bytes) -> dict[str, Any]:
    """The report in an aggregator's answer, which may say anything; raises Malformed."""
    try:
        report = json.loads(data)
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        raise Malformed("status report", "it is not a JSON object")
    return report
