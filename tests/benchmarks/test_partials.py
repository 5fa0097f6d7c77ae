"""The measurement of a part in a decryption, with a key too short to be of any use."""

import pytest

from benchmarks import partials


def test_the_figures_are_of_parts_whose_proofs_hold(monkeypatch) -> None:
    monkeypatch.setattr(partials, "pin", lambda: None)
    found = partials.measure(512, 2, runs=1)
    making = found["partial_seconds"] + found["equality_proof_seconds"]
    share = found["equality_check_seconds"] / making
    assert found["checking_to_making"] == pytest.approx(share, abs=1e-4)
    # Nine numbers modulo N², and a response of some 1,750 bits.
    assert 9 * 120 < found["proof_bytes"] < 9 * 128 + 256


def test_a_proof_that_does_not_hold_is_no_measurement(monkeypatch) -> None:
    monkeypatch.setattr(partials, "pin", lambda: None)
    monkeypatch.setattr(partials, "partial_decryption", lambda c, share, key: c)
    with pytest.raises(ArithmeticError, match="is wrong"):
        partials.measure(512, 2, runs=1)
