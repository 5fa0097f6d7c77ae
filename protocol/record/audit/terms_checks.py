"""Checks 1: the terms that the record is about."""

from protocol.errors import BadTerms, Malformed, UnsignedTerms
from protocol.record import MANIFEST_PATH, TERMS_PATH
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import RECORD, Ground, Result, check
from protocol.terms import require_signed


def _have_terms(evidence: Evidence) -> bool:
    try:
        return evidence.terms is not None
    except (BadTerms, Malformed):
        return False


def _have_manifest(evidence: Evidence) -> bool:
    try:
        return evidence.manifest is not None
    except Malformed:
        return False


TERMS = Ground("1.1", _have_terms)
MANIFEST = Ground("1.1", _have_manifest)


@check(
    "1.1",
    "manifest and terms are valid",
    "record.json and federation.toml are there, read, have values in range, and name the "
    "same federation",
)
def check_files(evidence: Evidence, result: Result) -> None:
    try:
        result.count += 1
        assert evidence.terms
    except (BadTerms, Malformed) as error:
        result.fail(0, RECORD, f"{TERMS_PATH}: {error}")
    try:
        result.count += 1
        manifest = evidence.manifest
    except Malformed as error:
        result.fail(0, RECORD, str(error))
        return
    if _have_terms(evidence) and manifest.federation != evidence.terms.federation:
        reason = f"{MANIFEST_PATH} names another federation than that of {TERMS_PATH}"
        result.fail(0, RECORD, reason)


@check(
    "1.2",
    "fingerprint is the one given",
    "the hash of the terms begins as the fingerprint that was given says",
    (TERMS,),
)
def check_fingerprint(evidence: Evidence, result: Result) -> None:
    if evidence.expected is None:
        result.not_run = "no fingerprint was given, so this may be the record of anybody"
        return
    result.count += 1
    if not evidence.terms.federation.startswith(evidence.expected):
        result.fail(0, RECORD, "the terms have another fingerprint than the one given")


@check(
    "1.3",
    "every member signed the terms",
    "federation.toml has a fitting Ed25519 signature of each member",
    (TERMS,),
)
def check_signatures(evidence: Evidence, result: Result) -> None:
    terms, signatures = evidence.signed_terms
    result.count += terms.n_members
    try:
        require_signed(terms, signatures)
    except UnsignedTerms as error:
        for name in error.missing:
            result.fail(0, name, "its signature under the terms is missing")
        for name in error.wrong:
            result.fail(0, name, "its signature does not fit the terms")


CHECKS = (check_files, check_fingerprint, check_signatures)
