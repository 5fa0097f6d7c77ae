"""What the errors about records and reports say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from participant.cli.sentences.sentence import Context, Sentence, plain
from participant.errors import BadJournal
from protocol.errors import NotThisRecord, UnfitHead


def _unfit_head(e: UnfitHead, c: Context) -> Sentence:
    return Sentence(
        f"{e.path} is no countersignature of {c.name(e.member)}: {e.reason}",
        f"ask {c.name(e.member)} for it again, or take the file away",
    )


RECORDS: dict[type[Exception], Callable[[Any, Context], Sentence]] = {
    NotThisRecord: plain(
        "the folder does not hold a record of these terms: {e.path}: {e.reason}",
        "nothing was changed there; give another folder as --out, or move that one away",
    ),
    UnfitHead: _unfit_head,
    BadJournal: plain(
        "{e.path} is no journal of training: line {e.line}: {e.reason}",
        "give models/rounds.jsonl of this hospital's data folder, or leave --journal out",
    ),
}
