"""Checks 1: the terms that the record is about."""

from protocol.errors import BadTerms, Malformed, UnsignedTerms
from protocol.record import MANIFEST_PATH, TERMS_PATH
from protocol.record.audit.evidence import Evidence
from protocol.record.audit.results import RECORD, Account, Check, Ground
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


def check_files(evidence: Evidence, account: Account) -> None:
    """Manifest and terms read, are valid, and belong together."""
    try:
        account.count += 1
        assert evidence.terms
    except (BadTerms, Malformed) as error:
        account.fail(0, RECORD, f"{TERMS_PATH}: {error}")
    try:
        account.count += 1
        manifest = evidence.manifest
    except Malformed as error:
        account.fail(0, RECORD, str(error))
        return
    if _have_terms(evidence) and manifest.federation != evidence.terms.federation:
        reason = f"{MANIFEST_PATH} names another federation than that of {TERMS_PATH}"
        account.fail(0, RECORD, reason)


def check_fingerprint(evidence: Evidence, account: Account) -> None:
    """The federation is the one whose fingerprint the reader has from elsewhere."""
    if evidence.expected is None:
        account.not_run = "no fingerprint was given, so this may be the record of anybody"
        return
    account.count += 1
    if not evidence.terms.federation.startswith(evidence.expected):
        account.fail(0, RECORD, "the terms have another fingerprint than the one given")


def check_signatures(evidence: Evidence, account: Account) -> None:
    """Every member has signed these terms."""
    terms, signatures = evidence.signed_terms
    account.count += terms.n_members
    try:
        require_signed(terms, signatures)
    except UnsignedTerms as error:
        for name in error.missing:
            account.fail(0, name, "its signature under the terms is missing")
        for name in error.wrong:
            account.fail(0, name, "its signature does not fit the terms")


CHECKS = (
    Check(
        "1.1",
        "manifest and terms are valid",
        "record.json and federation.toml are there, read, have values in range, and name the "
        "same federation",
        check_files,
    ),
    Check(
        "1.2",
        "fingerprint is the one given",
        "the hash of the terms begins as the fingerprint that was given says",
        check_fingerprint,
        (TERMS,),
    ),
    Check(
        "1.3",
        "every member signed the terms",
        "federation.toml has a fitting Ed25519 signature of each member",
        check_signatures,
        (TERMS,),
    ),
)
