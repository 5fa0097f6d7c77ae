"""A shaped line keeps every byte, its delay and its rate. Times are only bounded from below."""

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.shaping import Lane, Shape, shaped


@contextlib.contextmanager
def echo() -> Iterator[int]:
    """A service on a port of 127.0.0.1 that says what it hears, on one connection after another."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        while data := connection.recv(1 << 16):
                            connection.sendall(data)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def converse(port: int, data: bytes) -> bytes:
    """Send data, end, and read until the other side ends."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:

        def send() -> None:
            with contextlib.suppress(OSError):  # the line may lead nowhere
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        heard = bytearray()
        while part := connection.recv(1 << 16):
            heard += part
        sender.join()
    return bytes(heard)


def test_what_enters_a_lane_leaves_at_its_rate_and_arrives_a_delay_later() -> None:
    lane = Lane(Shape(delay=0.05, rate=8_000_000))
    assert [lane.arrival(1.0, 1_000) for _ in range(3)] == pytest.approx([1.051, 1.052, 1.053])


def test_an_idle_lane_saves_nothing_up() -> None:
    lane = Lane(Shape(delay=0.0, rate=8_000))
    lane.arrival(0.0, 1_000)
    assert lane.arrival(10.0, 1_000) == pytest.approx(11.0)


def test_a_lane_without_a_rate_only_delays() -> None:
    lane = Lane(Shape(delay=0.05, rate=None))
    assert [lane.arrival(2.0, 1 << 20) for _ in range(2)] == pytest.approx([2.05, 2.05])


def test_a_line_holds_what_is_under_way() -> None:
    shape = Shape(delay=0.05, rate=20e6)
    assert shape.capacity * 8_192 > shape.delay * 20e6 / 8


def test_bytes_come_through_whole_and_no_faster_than_the_rate() -> None:
    data = secrets.token_bytes(200_000)
    with echo() as port, shaped(Shape(0.0, 8e6), 0, port) as line:
        began = time.monotonic()
        assert converse(line, data) == data
        assert time.monotonic() - began >= 0.2


def test_a_connection_waits_for_its_handshake_and_then_both_ways() -> None:
    with echo() as port, shaped(Shape(0.03, None), 0, port) as line:
        began = time.monotonic()
        assert converse(line, b"x") == b"x"
        assert time.monotonic() - began >= 4 * 0.03


def test_a_line_to_nowhere_closes_and_the_next_connection_may_succeed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        unheard = taken.getsockname()[1]
    with shaped(Shape(0.0, None), 0, unheard) as line, contextlib.suppress(ConnectionError):
        assert converse(line, b"x") == b""
    with echo() as port, shaped(Shape(0.0, None), 0, port) as line:
        assert [converse(line, b"a"), converse(line, b"b")] == [b"a", b"b"]


def test_lines_end_with_the_proxy() -> None:
    with echo() as port, shaped(Shape(0.0, None), 0, port) as line:
        connection = socket.create_connection(("127.0.0.1", line), 5)
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
    with connection, contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b""
