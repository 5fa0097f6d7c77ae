"""Records of simulated federations, under faults, hold: nothing honest is blamed by a check."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.board.board import Entry, Head, decode_entry
from protocol.encoding import encode
from protocol.record.audit.checks import audit
from protocol.record.audit.results import Status
from protocol.record.files import (
    MANIFEST_PATH,
    TERMS_PATH,
    Manifest,
    blob_path,
    entry_path,
    recorded,
    write_manifest,
)
from protocol.terms.terms import render, render_signature, sign_terms
from tests.simulator.federation import Federation, memory_folder, signing_key
from tests.simulator.plan import Plan
from tests.stage.record.memory import MemoryFiles

SEEDS, CHUNK = 100, 20


def record_of(federation: Federation) -> dict[str, bytes]:
    """What the aggregator has, as a record."""
    aggregator, terms = federation.services[0].aggregator, federation.terms
    assert aggregator is not None
    entries = list[Entry]()
    while len(entries) < aggregator.board.head.position:
        entries += map(decode_entry, aggregator.entries_after(len(entries)).entries)
    head = Head(len(entries), entries[-1].hash)
    blocks = [
        render_signature(m.name, sign_terms(terms, signing_key(federation.plan, i)))
        for i, m in enumerate(terms.members, start=1)
    ]
    files = {
        MANIFEST_PATH: write_manifest(Manifest(terms.federation, head)),
        TERMS_PATH: (render(terms) + "".join(blocks)).encode(),
    }
    files |= {entry_path(entry.hash): encode(entry) for entry in entries}
    for attachment in recorded(aggregator.board.entries, terms.n_members):
        files[blob_path(attachment.digest)] = aggregator._blobs.payload(attachment)
    return files


def simulated(plan: Plan) -> dict[str, bytes]:
    """The record after a run; the aggregator is started again if it was down in the end."""
    with memory_folder() as folder:
        federation = Federation(plan, folder)
        federation.run()
        while federation.services[0].aggregator is None:
            federation._start_service(federation.services[0])
        return record_of(federation)


def check(seed: int, **changes: object) -> set[str]:
    """The numbers of the checks with findings; no check fails."""
    plan = replace(Plan.of(seed), **changes)
    found = audit(MemoryFiles(simulated(plan)), bytes(32), None)
    failed = {r.number: r.failures for r in found.results if r.failures}
    assert not failed, f"seed {seed}"
    (reasons,) = [r for r in found.results if r.number == "4.4"]
    assert not reasons.findings, f"seed {seed}: the aggregator is honest"
    assert found.head is not None
    return {r.number for r in found.results if r.status is Status.FINDING}


@pytest.mark.parametrize("seed", [0, 1])  # the one suite and the other
def test_the_record_of_a_federation_under_faults_holds(seed: int) -> None:
    check(seed)


def test_whoever_lied_in_a_simulated_ceremony_is_a_finding() -> None:
    assert "3.7" in check(2, n_members=4, quorum=3, liar=2, lie="a wrong share of N", fork=False)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_the_records_of_a_hundred_federations_hold(first: int) -> None:
    for seed in range(first, first + CHUNK):
        check(seed)
