"""What is said where a round, or a stored model, is not one of this hospital's app."""

from participant.cli.sentences.sentence import Context, Said, Sentence
from participant.errors import ForeignModel, ModelMismatch

_OPENED = {  # what of the round is another
    "model": "it was opened for another model than this hospital's",
    "length": "it is opened for {e.found} weights, and this hospital's model has {e.due}",
    "key": "it was opened under another key",
    "bounds": "it is opened with bound {e.found[0]:g} and {e.found[1]} examples, not "
    "{e.due[0]:g} and {e.due[1]}",
    "suite": "it is opened for suite {e.found}, due is {e.due}",
}


def _begin_anew(number: int, c: Context) -> str:
    """How a corrected app's model gets its turn after a round."""
    if c.terms and number >= c.terms.rounds.count:
        return "If the app was corrected: no round follows under these terms, so agree on new ones"
    return (
        "If the app was corrected, all hospitals begin with its model after this round: they start "
        f"train with --new-model-after {number}"
    )


def _mismatch(e: ModelMismatch, c: Context) -> Sentence:
    number = int(e.round_name) if e.round_name.isdecimal() else 0
    return Sentence(
        f"round {e.round_name}: {_OPENED[e.what].format(e=e)}",
        "if the others train with another app, start train with theirs. If models of this data "
        f"folder were lost, put them back. {_begin_anew(number, c)}",
    )


def _foreign_model(e: ForeignModel, c: Context) -> Sentence:
    return Sentence(
        f"the model that this hospital has after round {e.number} is none of this app: {e.reason}",
        f"start train with the app of before. {_begin_anew(e.number, c)}",
    )


MODELS: Said = {ModelMismatch: _mismatch, ForeignModel: _foreign_model}
