"""Durations as people read them."""


def duration(seconds: float) -> str:
    """9 s, 1:09 min, 1:01 h; ``seconds`` are not negative."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
