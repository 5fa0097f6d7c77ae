"""An S3 server that checks signed URLs and uploads, which moto's takes on trust.

It stands before moto's and passes on what is right. Signatures are computed here once more, by the
published algorithm (Amazon S3 API Reference, "Authenticating requests: using query parameters").
"""

import base64
import contextlib
import hashlib
import hmac
import http.client
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.stage.objects.server import KEYS, ObjectServer

_HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


def signature(method: str, path: str, query: str, headers: dict[str, str]) -> str:
    """What a URL's signature has to be; headers: those of the request, in small letters."""
    pairs = [pair for pair in parse_qsl(query) if pair[0] != "X-Amz-Signature"]
    said = dict(pairs)
    names = said["X-Amz-SignedHeaders"]
    lines = [f"{name}:{headers.get(name, '').strip()}\n" for name in names.split(";")]
    encoded = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs)
    parts = "&".join("=".join(pair) for pair in encoded), "".join(lines), names
    path = quote(unquote(path), safe="/~")
    canonical = "\n".join([method, path, *parts, "UNSIGNED-PAYLOAD"])
    scope = said["X-Amz-Credential"].partition("/")[2]
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", said["X-Amz-Date"], scope, digest])
    key = f"AWS4{KEYS['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


class CheckingStore:
    """``moved``: method, path and bytes by signed URLs. ``refused``: why others were not taken."""

    def __init__(self, behind: ObjectServer) -> None:
        self.behind = behind
        self.moved: list[tuple[str, str, int]] = []
        self.refused: list[str] = []
        self.is_down = False  # to who comes with a signed URL
        self.altered = b""  # what is given in place of any object
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *words: object) -> None:
                """Nobody reads it."""

            def do_GET(self) -> None:
                store._serve(self)

            do_PUT = do_HEAD = do_DELETE = do_POST = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @contextlib.contextmanager
    def running(self) -> Iterator["CheckingStore"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers.get("content-length", 0)))
        is_signed = "X-Amz-Signature=" in parts.query
        why = self._wrong(request.command, parts.path, parts.query, headers, body)
        if is_signed and why:
            self.refused.append(why)
            answer = f"<Error><Code>{why}</Code></Error>".encode()
            self._answer(request, 400 if why == "BadDigest" else 403, {}, answer)
            return
        line = http.client.HTTPConnection("127.0.0.1", self.behind.port, timeout=60)
        with contextlib.closing(line):
            line.request(request.command, request.path, body or None, headers)
            found = line.getresponse()
            data = found.read()
        if is_signed:
            data = self.altered or data
            self.moved.append((request.command, parts.path, len(body or data)))
        sent = {n: v for n, v in found.getheaders() if n.lower() not in _HOP}
        if request.command == "HEAD":
            sent["Content-Length"] = found.headers["Content-Length"]
        self._answer(request, found.status, sent, data)

    def _wrong(
        self, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> str:
        """Why a signed request is not done, by S3's code."""
        said = dict(parse_qsl(query))
        if "X-Amz-Signature" not in said:
            return ""
        if self.is_down:
            return "SlowDown"
        if said["X-Amz-Signature"] != signature(method, path, query, headers):
            return "SignatureDoesNotMatch"
        signed = datetime.strptime(said["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > signed + timedelta(seconds=int(said["X-Amz-Expires"])):
            return "AccessDenied"
        checksum = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if headers.get("x-amz-checksum-sha256", checksum) != checksum:
            return "BadDigest"
        return ""

    def _answer(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], data: bytes
    ) -> None:
        with contextlib.suppress(OSError):
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            if request.command != "HEAD":
                request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            if request.command != "HEAD":
                request.wfile.write(data)
