"""What the fields of the door's messages may hold, each said once."""

from typing import Annotated

from msgspec import Meta

from participant.statistic import FILE_LIMIT

# Of a frame. A wish may have a file of numbers in it; most are short.
MAX_WANTED_BYTES, MAX_ANSWER_BYTES = FILE_LIMIT + (64 << 10), 4 << 20
MAX_SHORT_BYTES = 256 << 10
MAX_ANSWER_TO_QUESTION = 64
MAX_PART_BYTES = 1 << 20  # of a result that comes in several frames
MAX_FACTS_BYTES, MAX_REPORT_BYTES = 64 << 10, 2 << 20

Words = Annotated[str, Meta(max_length=4_096)]
Name = Annotated[str, Meta(max_length=80, pattern=r"^[A-Za-z0-9 ._/-]*\Z")]
Path = Annotated[str, Meta(min_length=1, max_length=4_096)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Amount = Annotated[int, Meta(ge=0, lt=1 << 60)]
Number = Annotated[int, Meta(ge=0, le=64)]
Json = Annotated[bytes, Meta(max_length=MAX_FACTS_BYTES)]
