"""What an object store's errors mean. What a store says is a stranger's words, and often long."""

import re

from aggregator.errors import BlobsFault

_CODE = re.compile(r"<Code>([A-Za-z][A-Za-z0-9.]{0,59})</Code>")
_STATUS = re.compile(r"non-2xx status code: (\d{3})")
_OF_THE_SYSTEM = re.compile(r'(?:message|error): "([A-Za-z0-9 ,:_-]{1,120})"')
_KINDS: dict[str, BlobsFault] = {
    "NoSuchBucket": "missing",
    "ContainerNotFound": "missing",
    "InvalidBucketName": "missing",
    "InvalidAccessKeyId": "login",
    "SignatureDoesNotMatch": "login",
    "ExpiredToken": "login",
    "InvalidToken": "login",
    "InvalidSecurity": "login",
    "AuthenticationFailed": "login",
    "RequestTimeTooSkewed": "login",
    "AccessDenied": "rights",
    "AuthorizationFailure": "rights",
    "AuthorizationPermissionMismatch": "rights",
    "PermanentRedirect": "region",
    "TemporaryRedirect": "region",
    "AuthorizationHeaderMalformed": "region",
    "IllegalLocationConstraintException": "region",
}
_GONE = {"NoSuchKey", "BlobNotFound"}
_NO_KEYS = "credential", "token request", "Account must be specified", "latest/api/token"


def is_gone(error: Exception) -> bool:
    """Whether the store says that there is no such object. Not any 404 says that."""
    return _code(str(error)) in _GONE


def words(error: Exception) -> str:
    """What went wrong, in a few words: the store's code, or the system's reason."""
    text = str(error)
    if code := _code(text):
        return code
    if found := _STATUS.search(text):
        return f"status {found[1]}"
    if "TimedOut" in text or "kind: Timeout" in text:
        return "no answer in time"
    if "BadScheme" in text:
        return "plain http is not used"
    if any(part in text for part in _NO_KEYS):
        return "no credentials were found"
    found = _OF_THE_SYSTEM.search(text)
    return found[1].lower() if found else "no request can be made"


def kind(error: Exception) -> BlobsFault:
    """Which remedy fits."""
    text = str(error)
    if (found := _KINDS.get(_code(text))) is not None:
        return found
    if any(part in text for part in _NO_KEYS) or "status code: 401" in text:
        return "login"
    if "status code: 403" in text:
        return "rights"
    return "region" if "status code: 301" in text else "connection"


def _code(text: str) -> str:
    found = _CODE.search(text.partition("Debug source:")[0])
    return found[1] if found else ""
