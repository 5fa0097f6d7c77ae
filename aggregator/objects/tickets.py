"""URLs that a bucket's owner has signed: whoever has one gets or puts one blob, for some minutes.

Source: AWS Signature Version 4, query parameters (Amazon S3 API Reference, "Authenticating
requests"). An upload's length and SHA-256 are among the signed headers. A store that checks both
takes the blob of that name and nothing else, however often. A store that does not is found out
before a first ticket is given.
"""

import base64
import hashlib
import logging
import secrets
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from obstore import sign

try:
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.session import get_session
except ImportError:  # uploads go through the aggregator then
    S3SigV4QueryAuth = None

log = logging.getLogger("quorate.aggregator")

_VALID = timedelta(minutes=15)
_OUTSTANDING = 4_096  # uploads that are looked for when they are offered
_PROBE_BYTES = 64
_SECONDS = 6.0
_CHECKSUM = "x-amz-checksum-sha256"

Put = Callable[[str, bytes, str], bool]  # a URL, a body and its checksum; whether it is taken


class Tickets:
    """Signs for one bucket. The store speaks to hospitals by itself, and is not trusted by them.

    What fails, fails with an error of one of two libraries.
    """

    def __init__(self, store: Any, is_s3: bool) -> None:
        """store: of obstore, with the federation's prefix."""
        self._store, self._is_s3 = store, is_s3
        self._put: OrderedDict[bytes, None] = OrderedDict()  # names that may be put just now
        self._credentials: Any = None  # once the store is known to check uploads
        self._region = ""

    @property
    def base(self) -> str:
        """The URL below which blobs lie."""
        return self._url("-").partition("?")[0].removesuffix("/-")

    def to_get(self, path: str) -> str:
        """The query for a blob."""
        return self._url(path).partition("?")[2]

    def to_put(self, path: str, digest: bytes, size: int) -> str:
        """The same for a blob that is not here; empty where the store does not check uploads."""
        if self._credentials is None:
            return ""
        return self._signed(path, digest, size).partition("?")[2]

    def expect(self, digest: bytes) -> None:
        """Somebody has a ticket to put a blob."""
        self._put[digest] = None
        if len(self._put) > _OUTSTANDING:
            self._put.popitem(last=False)

    def may_be_there(self, digest: bytes) -> bool:
        """Whether somebody may have put a blob; to be asked once."""
        is_known = digest in self._put
        self._put.pop(digest, None)
        return is_known

    def try_uploads(self, path: Callable[[bytes], str], put: Put) -> bool:
        """Whether the store takes a blob, and refuses other bytes and another length.

        path: of a blob's name. Where it does not, no upload is signed.
        """
        self._credentials = None
        if not (self._is_s3 and self._find_credentials()):
            return False
        data, other = (secrets.token_bytes(_PROBE_BYTES) for _ in range(2))
        digest = hashlib.sha256(data).digest()
        url, said = self._signed(path(digest), digest, len(data)), checksum(digest)
        try:
            is_wrong_taken = put(url, other, said) or put(url, data + b"x", said)
            checks = not is_wrong_taken and put(url, data, said)
        finally:
            self._store.delete([path(digest)])
        if not checks:
            self._credentials = None
        return self._credentials is not None

    def _find_credentials(self) -> bool:
        """Whether those that obstore signs with are known to the other library, too."""
        scope = parse_qs(self.to_get("-")).get("X-Amz-Credential", [""])[0].split("/")
        if S3SigV4QueryAuth is None or len(scope) != 5:
            return False
        found = get_session().get_credentials()
        if found is None or found.get_frozen_credentials().access_key != scope[0]:
            return False
        self._credentials, self._region = found, scope[2]
        return True

    def _url(self, path: str) -> str:
        return str(sign(self._store, "GET", path, _VALID))

    def _signed(self, path: str, digest: bytes, size: int) -> str:
        parts = urlsplit(self._url(path))
        # As it is signed, whatever a URL may leave as it is.
        url = f"{parts.scheme}://{parts.netloc}{quote(unquote(parts.path), safe='/~')}"
        headers = {"Content-Length": str(size), _CHECKSUM: checksum(digest)}
        request = AWSRequest("PUT", url, headers=headers)
        keys = self._credentials.get_frozen_credentials()
        seconds = int(_VALID.total_seconds())
        S3SigV4QueryAuth(keys, "s3", self._region, expires=seconds).add_auth(request)
        return str(request.url)


def checksum(digest: bytes) -> str:
    """A SHA-256 as S3's header has it."""
    return base64.b64encode(digest).decode()


def put_by_url(url: str, data: bytes, said: str) -> bool:
    """Put bytes with a checksum as a hospital does; whether they are taken. Raises OSError."""
    headers = {_CHECKSUM: said, "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(url, data, headers, method="PUT")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return bool(200 <= answer.status < 300)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return False
