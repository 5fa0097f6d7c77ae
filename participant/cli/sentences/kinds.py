"""What is said of a file that is missing, or is of another kind than was to be given."""

from typing import NamedTuple

from participant import errors
from participant.cli.sentences.sentence import COMMAND, Context, Said, Sentence
from protocol.errors import WrongKind
from protocol.programs.file_kind import Kind
from protocol.words import pasted


class Wanted(NamedTuple):
    """What is to be given, and where one gets it."""

    name: str
    remedy: str


_AS_TERMS = f"the file that the coordinator wrote with {COMMAND} terms new, and all signed"
_WANTED = {
    "terms": Wanted("the terms of a federation", f"give {_AS_TERMS}"),
    "card": Wanted("a hospital's card", "give the card.toml of a hospital"),
    "aggregator's card": Wanted(
        "the aggregator's card", "give the aggregator.toml that quorate-aggregator init made"
    ),
    "plan": Wanted("the plan of a study", f"give the file that {COMMAND} study new wrote"),
    "identity": Wanted("a hospital's identity", "give the right data folder as --home"),
    "home": Wanted("a hospital's data folder", "give the folder that init makes as --home"),
    "backup": Wanted("a backup", "give the file that key backup made"),
    "passphrase": Wanted("a file with a passphrase", "give a file that holds nothing else"),
    "record": Wanted("the folder of a record", f"give the folder that {COMMAND} export wrote"),
    "journal": Wanted(
        "a journal of training",
        "give studies/NAME/rounds.jsonl of this hospital's data folder, or leave --journal out",
    ),
    "app": Wanted(
        "a Python file or a Flower app",
        "give as --app the file with fit and evaluate, or the folder with a Flower app's "
        "pyproject.toml",
    ),
    "file of numbers": Wanted(
        "a file of numbers", "give a CSV or JSON file of numbers, as README.md shows"
    ),
    "folder": Wanted("a folder", "give another path"),
    "file": Wanted("a file", "give the path of a file"),
}
_SWAPPED: dict[tuple[str, str], str] = {  # by what was wanted and what was given
    ("card", Kind.AGGREGATOR_CARD): "this one is given as --aggregator",
    (
        "aggregator's card",
        Kind.CARD,
    ): "a hospital's is given as --member, or to terms succeed as --add",
    ("file of numbers", Kind.TERMS): "the terms are given as --federation FILE",
    ("file of numbers", Kind.JOINT_KEY): "this one is for the program that encrypts with phe",
    ("plan", Kind.TERMS): "the plan comes first: study propose FILE FEDERATION",
    ("terms", Kind.PLAN): "the terms come last: study propose FILE FEDERATION",
    ("file of numbers", Kind.PLAN): "a plan is given to study propose",
    ("backup", Kind.TERMS): "the backup comes first: key restore FILE FEDERATION",
    ("terms", Kind.SEALED): "the terms come last: key restore FILE FEDERATION",
    ("passphrase", Kind.SEALED): "a sealed file is what a passphrase opens",
}


def wrong_kind(e: WrongKind, c: Context) -> Sentence:
    """What the thing is, what was expected, and what to give."""
    wanted = _WANTED.get(e.wanted, Wanted("what belongs there", "move it away"))
    swapped = _SWAPPED.get((e.wanted, e.found))
    remedy = f"{wanted.remedy}; {swapped}" if swapped else wanted.remedy
    return Sentence(f"{e.path} is {e.found}, not {wanted.name}", remedy)


def too_large(e: errors.TooLarge, c: Context) -> Sentence:
    """What the file was to be, and what that has at most."""
    wanted = _WANTED.get(e.what, Wanted(f"a file called {e.what}", "check the path"))
    return Sentence(
        f"{e.path} is not {wanted.name}, which has at most {e.limit} bytes", wanted.remedy
    )


def _first_share(c: Context) -> str:
    """How this hospital comes to a key share, or gets a lost one back."""
    if c.terms is not None and c.terms.takes_over_key:
        first = f"take the key over first: {COMMAND} handover {c.here}"
    else:
        first = f"take part in the key ceremony first: {COMMAND} ceremony {c.here}"
    return f"{first}; a lost key share is put back by: {c.restores}"


def missing_file(e: errors.MissingFile, c: Context) -> Sentence:
    """What is not there, and how it comes about."""
    if e.what == "folder":
        return Sentence(
            f"there is no folder {e.path}, so nothing can be written there",
            f"give another path, or make it first: mkdir -p {pasted(e.path)}",
        )
    if e.what == "key share":
        return Sentence(f"there is no key share in {e.path}", _first_share(c))
    made = {
        "identity": f"an identity is made by: {COMMAND} init --name NAME",
        "card": f"a card is made by: {COMMAND} init --name NAME",
        "aggregator's card": "it is made by: quorate-aggregator init --host HOST",
        "terms": f"the coordinator writes them by: {COMMAND} terms new",
        "record": f"a record is written by: {COMMAND} export",
        "backup": f"a backup is made by: {COMMAND} key backup",
        "plan": f"a plan is written by: {COMMAND} study new",
        "journal": "train writes it: studies/NAME/rounds.jsonl of this hospital's data folder",
    }
    of_home = ("identity", "card") if c.home else ()
    check = "check --home" if e.what in of_home else "check the path"
    how = f"; {made[e.what]}" if e.what in made else ""
    return Sentence(f"no {e.what} at {e.path}: no such file", check + how)


KINDS: Said = {WrongKind: wrong_kind, errors.TooLarge: too_large, errors.MissingFile: missing_file}
