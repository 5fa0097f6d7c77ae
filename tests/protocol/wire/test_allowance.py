"""So many at once, and so many a second."""

from protocol.wire.allowance import Allowance


def test_an_allowance_gives_so_many_at_once_and_so_many_a_second() -> None:
    allowance = Allowance(3, 0.5)
    assert [allowance.take(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert not allowance.take(101.0)
    assert allowance.take(102.0)
    assert not allowance.take(102.0)
    assert [allowance.take(900.0) for _ in range(4)] == [True, True, True, False]
