"""The page of ``make bench``: a fixed result's figures are in its tables."""

from copy import deepcopy
from typing import Any
from xml.etree import ElementTree

from benchmarks.report import markdown, write
from benchmarks.suites.peers import ratios

WHERE = {"processor": "Abacus 3000", "cores": "2"}
STEPS = {
    "encrypt_seconds": 0.08, "add_seconds": 0.004, "partial_seconds": 0.4,
    "equality_proof_seconds": 0.2, "equality_check_seconds": 0.17, "combine_seconds": 0.04,
    "open_seconds": 0.03, "verify_seconds": 0.009,
}  # fmt: skip
ROW = {"weights": 10**6, "bytes_per_weight": 3.017, "encrypt_ns_per_weight": 80.0} | STEPS
SUITES = ROW | {
    "members": 16, "quorum": 9, "weight_bits": 17, "key_ciphertexts": 7, "table_seconds": 0.43,
    "checking_to_making": 0.0467,
    "growth": [ROW | {"weights": 10**4, "encrypt_seconds": 0.03}, ROW], "peak_megabytes": 99,
    "paillier": {
        "weights_per_ciphertext": 109, "weight_bits": 24, "encrypt_seconds_per_weight": 2.8e-5,
        "add_seconds_per_weight": 3e-7, "bytes_per_weight": 7.046,
    },
}  # fmt: skip
CKKS = {
    "weights": 10**6, "encrypt_seconds": 0.88, "parse_seconds": 0.07, "add_seconds": 0.01,
    "decrypt_seconds": 0.19, "bytes_per_weight": 57.6,
}  # fmt: skip
PEERS = {
    "tenseal": {
        "package": "tenseal==0", "what": "not threshold", "growth": [CKKS],
        "ratios": ratios(CKKS, SUITES),
    } | CKKS,
    "openfhe": {"package": "openfhe==0", "what": "threshold", "skipped": "no Python 3.10 found"},
}  # fmt: skip
HANDOVER = {
    "quorum": 3, "members": 5, "bits": 3072, "runs": 3, "board_rounds": 7, "cores": 2,
    "bytes_on_board": 118_300, "share_bits": (6679, 6686), "processor": "Abacus 3000",
    "seconds": {"min": 4.01, "max": 4.5}, "seconds_together": {"min": 3.0, "max": 3.25},
    "seconds_of_processes": {"min": 6.5, "max": 7.0},
    "cpu_seconds_of_a_member": {"min": 1.5, "max": 1.6, "mean": 1.55},
    "cpu_seconds_of_the_aggregator": {"min": 0.5, "max": 0.6, "mean": 0.55},
    "cores_of_others": {"min": 0.0, "max": 0.25},
}  # fmt: skip
COST = {"colluders": 2, "seconds": 1.5, "megabytes": 7.25}
RESULTS: dict[str, Any] = {
    "suites": SUITES | {"peers": PEERS},
    "large-round": {
        "weights": 10**6, "parties": 3, "seconds": 12.5, "encrypt_seconds": 0.5,
        "decrypt_seconds": 0.6, "bytes_up": 3_000_000, "bytes_down": 9_500_000,
        "peak_mib": {"aggregator": 80, "hospital 1": 320},
    },
    "ceremony": {
        "bits": 2048, "parties": 3, "runs": 3, "bytes_sent_per_party": 7_000_000,
        "seconds": {"mean": 6.91, "min": 4.1, "max": 15.1},
    },
    "handover": HANDOVER,
    "large-handover": HANDOVER | {"quorum": 9, "members": 16},
    "growth": {
        "refreshes": 3, "share_bits": [6679, 6687, 6686, 6688],
        "classical_share_bits": [6679, 6830, 6981, 7130],
    },
    "failover": {
        "processes": 3, "rounds": 5, "entries": 88, "entries_twice": 0, "postgresql": "15.18",
        "cores": 2, "processor": "Abacus 3000",
        "seconds_killed": {"runs": 20, "min": 0.21, "median": 0.25, "max": 0.5},
        "seconds_frozen": {"runs": 5, "min": 1.3, "median": 1.4, "max": 1.75},
        "append": {
            "entry_bytes": 2_000, "appends": 1_000, "sqlite_a_second": 1_750.0,
            "postgresql_a_second": 875.0, "ratio": 2.0,
        },
    },
    "long-board": {
        "rounds": 10_000, "entries": 220_000, "board_bytes": 373_000_000, "cores": 2,
        "processor": "Abacus 3000",
        "agent": {
            "train, start again": {
                "seconds": 2.26, "cpu_seconds": 1.8, "peak_mib": 136.4, "bytes_down": 54_536,
            },
        },
        "vectors": {"blob_bytes_a_round_before": 135_498, "blob_bytes_a_round_after": 67_299},
        "aggregator": {
            "next start": {
                "cpu_seconds": 1.25, "tick_ms": 0.044, "report_ms": 2.322, "peak_mib": 171.1,
            },
        },
        "record": {
            "export again": {"seconds": 2.4, "cpu_seconds": 2.3, "peak_mib": 166.0},
            "verify": {"seconds": 95.0, "cpu_seconds": 114.0, "peak_mib": 291.0},
        },
        "alone": {"signatures": 24.0, "products": 27.5},
    },
    "sums": {
        "contributions": 32, "weights": 100_000_000, "workers": 2, "cores": 2,
        "processor": "Abacus 3000", "in_process": {"seconds": 14.5, "cpu_seconds": 12.75},
        "dask": {"seconds": 7.25, "cpu_seconds": 15.3},
        "ratio": {"seconds": 0.5, "cpu_seconds": 1.2},
    },
    "multiplication": {"shares": COST, "paillier": COST, "ring": COST},
}  # fmt: skip


def test_the_tables_have_the_figures_and_the_machine() -> None:
    page = markdown(RESULTS, WHERE)
    for row in (
        "| processor | Abacus 3000 |",
        "| checking one hospital's part, 4.7% of making it | 0.17 |",
        "| hybrid (ours) | 0.08 | 3.02 | 0.004 | 0.67 | 9 of 16 decrypt |",
        "| packed Paillier (ours) | 28 | 7.05 | 0.3 |  | 109 weights a ciphertext; from some",
        "| tenseal | 0.88 | 57.6 | 0.08 | 0.19 | not threshold |",
        "| tenseal | 11 | 19.1 | 20 | 0.284 |",
        "| 10,000 | 0.03 | 80 | 3.02 | 0.004 | 0.03 |",
        "| 1,000,000 | 12.5 | 0.5 | 0.6 | 3 | 9.5 | 320 |",
        "| 2048 | 3 | 3 | 6.91 | 4.1 to 15.1 | 7 |",
        "| frozen (SIGSTOP) | 5 | 1.3 | 1.4 | 1.75 |",
        "| 1,750 | 875 | 2 times |",
        "| hospital: train, start again | 2.26 | 1.8 | 136 | 0.055 |",
        "| aggregator: next start |  | 1.25 | 171 |  |",
        "| record: verify | 95 | 114 | 291 |  |",
        "the signatures alone take 24 s of a processor, and the products alone that its proofs",
        "looks for what is due in 0.044 ms, and makes a report for `status` in 2.32 ms.",
        "Of blobs a round leaves 67.3 kB once its vectors are deleted, 135 kB before.",
        "| by 2 workers of Dask | 7.25 | 15.3 |",
        "| 3 of 5 | 3072 | 4.01 to 4.5 | 3 to 3.25 | 6.5 to 7 | 7 | 118 | 6679 to 6686 |",
        "| 9 of 16 | 1.5 to 1.6 | 0.5 to 0.6 | 12.7 | 0 to 0.25 |",
        "Least to most of 3 runs, on 2 cores of Abacus 3000,",
        "After 3 refreshes the longest share has 6688 bits, after the first 6687.",
        "Shares that are shared anew have 7130 bits.",
        "| ring | 2 | 1.5 | 7.25 |",
    ):
        assert row in page


def test_a_peer_that_was_skipped_is_said_to_be_and_has_no_row() -> None:
    page = markdown(RESULTS, WHERE)
    assert "openfhe (openfhe==0) was not run: no Python 3.10 found." in page
    assert "| openfhe |" not in page


def test_a_page_without_peers_can_be_written() -> None:
    alone = deepcopy(RESULTS)
    del alone["suites"]["peers"]
    assert "| hybrid (ours) |" in markdown(alone, WHERE)


def test_the_plot_is_an_svg_with_everybody_in_it_and_the_same_twice(tmp_path) -> None:
    page, picture = write(RESULTS, WHERE, tmp_path)
    assert page.read_text() == markdown(RESULTS, WHERE)
    drawn = picture.read_text()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert "hybrid (ours)" in drawn
    assert "tenseal==0" in drawn
    write(RESULTS, WHERE, tmp_path)
    assert picture.read_text() == drawn
