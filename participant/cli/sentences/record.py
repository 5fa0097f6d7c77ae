"""What the errors about records say."""

from collections.abc import Callable
from typing import Any

from participant.cli.sentences.sentence import Context, Sentence
from protocol.errors import UnfitRecord


def _unfit_record(e: UnfitRecord, c: Context) -> Sentence:
    if e.member:
        return Sentence(
            f"{e.path} is no countersignature of {c.name(e.member)}: {e.reason}",
            f"ask {c.name(e.member)} for it again, or take the file away",
        )
    return Sentence(
        f"the folder does not hold a record of these terms: {e.path}: {e.reason}",
        "nothing was changed there. Give another folder as --out, or move that one away",
    )


RECORDS: dict[type[Exception], Callable[[Any, Context], Sentence]] = {UnfitRecord: _unfit_record}
