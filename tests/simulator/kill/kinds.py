"""What is kept, by whom: a row for every kind of durable change. A new file needs a new row.

Not here, since no run of the simulator makes them: an identity, another passphrase, a backup's
return and a new card of the aggregator (their own tests kill those at every point), entries that
an app keeps for itself, what a program at a socket began with, close answers of samples (models are
so small here that samples are whole), and what commands write for people (records, reports,
journals, status).
"""

import re
from functools import cache
from typing import NamedTuple

AGGREGATOR = 0


class Kind(NamedTuple):
    """``pattern``: of a verb and a file's name. ``by``: the roles that make such changes."""

    pattern: str
    by: tuple[str, ...]


SERVICES = (
    "ceremony service", "packed service", "vector service", "pruning service", "statistic service",
)  # fmt: skip
BLOBS = ("ceremony service", "vector service", "pruning service")
IDLE_AT_TIMES = ("ceremony service", "packed service", "vector service", "pruning service")
SUMS = ("vector service", "pruning service")
TALKERS = ("proposer", "withdrawer", "ender")
TRAINERS = ("trainer", "pruning trainer")
WORKERS = (*TRAINERS, "holder", "contributor", "reader")
SPEAKERS = ("candidate", *TALKERS, *WORKERS, "mover")

OF_THE_AGGREGATOR = {
    "entry": Kind(r"row entries", SERVICES),
    "head": Kind(r"append heads", SERVICES),
    "folder": Kind(r"make (|blobs|incoming)", ("ceremony service",)),
    "upload": Kind(r"append incoming/[1-9]\d*-[0-9a-f]{64}", BLOBS),
    "whole upload": Kind(r"sync incoming/[1-9]\d*-[0-9a-f]{64}", BLOBS),
    "own blob": Kind(r"sync incoming/0-[0-9a-f]{64}", SUMS),
    "folder of blobs": Kind(r"make blobs/[0-9a-f]{2}", BLOBS),
    "blob": Kind(r"name blobs/[0-9a-f]{2}/[0-9a-f]{64}", BLOBS),
    "summary": Kind(r"row summary", IDLE_AT_TIMES),
    "row of a blob": Kind(r"row blobs", BLOBS),
    "mark of pruned rounds": Kind(r"row pruned", ("pruning service",)),
    "end of vectors' rows": Kind(r"prune vectors", ("pruning service",)),
    "end of a vector's blob": Kind(r"remove blobs/[0-9a-f]{2}/[0-9a-f]{64}", ("pruning service",)),
    "folder of sums": Kind(r"make sums(/study-\w+-\d+)?", SUMS),
    "new sum": Kind(r"sync sums/study-\w+-\d+/\.quorate-\w+\.tmp", SUMS),
    "sum": Kind(r"name sums/study-\w+-\d+/chunk-\d+", SUMS),
    "end of a sum": Kind(r"remove sums/study-\w+-\d+(/chunk-\d+)?", SUMS),
}
OF_A_HOSPITAL = {
    "board seen": Kind(r"write head", SPEAKERS),
    "copied entries": Kind(r"write board/\d+-\d+", SPEAKERS),
    "end of copied entries": Kind(r"delete board/\d+-\d+", SPEAKERS),
    "index of the copy": Kind(r"write board/index", SPEAKERS),
    "post": Kind(r"write outbox/post", SPEAKERS),
    "end of a post": Kind(r"delete outbox/post", SPEAKERS),
    "blob": Kind(r"write outbox/blob-[0-9a-f]{64}", ("candidate", *TRAINERS, "holder")),
    "end of a blob": Kind(r"delete outbox/blob-[0-9a-f]{64}", ("candidate", *TRAINERS, "holder")),
    "vector": Kind(r"write outbox/kept", TRAINERS),
    "end of a vector": Kind(r"delete outbox/kept", TRAINERS),
    "approval": Kind(r"write studies/\w+/approval", ("withdrawer", *WORKERS)),
    "end of an approval": Kind(r"delete studies/\w+/approval", ("withdrawer",)),
    "end of a beginning": Kind(r"delete studies/\w+/beginning", ("withdrawer", *WORKERS)),
    "set": Kind(r"write chosen/study-\w+-\d+", WORKERS),
    "numbers": Kind(r"write studies/\w+/numbers", ("contributor",)),
    "model": Kind(r"write studies/\w+/model-\d+\.safetensors", TRAINERS),
    "bounds": Kind(r"write studies/\w+/bounds-\d+", TRAINERS),
    "sample of a model": Kind(r"write studies/\w+/sample-\d+", ("pruning trainer",)),
    "end of bounds": Kind(r"delete studies/\w+/bounds-\d+", ("pruning trainer",)),
    "end of a model": Kind(r"delete studies/\w+/model-\d+\.safetensors", ("pruning trainer",)),
    "own classes": Kind(r"write studies/\w+/last-contribution", TRAINERS),
    "folder": Kind(r"make (|vault)", ("candidate", "mover")),
    "new secret": Kind(r"sync vault/\.quorate-\w+\.tmp", ("candidate",)),
    "end of a new secret": Kind(r"remove vault/\.quorate-\w+\.tmp", ("candidate",)),
    "seed": Kind(r"name vault/ceremony-\d+\.seed\.sealed", ("candidate",)),
    "seed withheld": Kind(r"name vault/ceremony-\d+\.seed\.withheld", ("candidate",)),
    "seed forgotten": Kind(r"name vault/ceremony-\d+\.seed\.forgotten", ("candidate",)),
    "end of a seed": Kind(r"remove vault/ceremony-\d+\.seed\.sealed", ("candidate",)),
    "folder of notes": Kind(r"make key-notes", ("candidate",)),
    "new note": Kind(r"sync key-notes/\.quorate-\w+\.tmp", ("candidate",)),
    "note": Kind(r"name key-notes/share-\d+", ("candidate",)),
    "key share": Kind(r"name vault/key-share-\d+\.sealed", ("candidate",)),
    "new card": Kind(r"sync \.quorate-\w+\.tmp", ("mover",)),
    "card": Kind(r"name aggregator\.toml", ("mover",)),
}


@cache
def kind_of(who: int, change: str) -> str:
    """The kind of a change that a hospital or the aggregator makes; else the change itself."""
    kinds = OF_THE_AGGREGATOR if who == AGGREGATOR else OF_A_HOSPITAL
    found = [name for name, kind in kinds.items() if re.fullmatch(kind.pattern, change)]
    return found[0] if len(found) == 1 else change


def kinds_by(role: str) -> set[str]:
    """The kinds of changes that a role makes."""
    both = (*OF_THE_AGGREGATOR.items(), *OF_A_HOSPITAL.items())
    return {name for name, kind in both if role in kind.by}
