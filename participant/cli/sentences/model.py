"""What people are told of the model: what is averaged, and in what it differs from others'."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from participant.cli.sentences.sentence import Context, Said, Sentence
from participant.errors import (
    ForeignModel,
    ModelLetGo,
    ModelMismatch,
    ModelsDiffer,
    NotStated,
    VectorsGone,
)
from participant.model import described
from protocol.board import DAYS_AFTER_END
from protocol.words import shown
from protocol.words.counted import counted

_MOST = 3  # entries that a sentence names
_OPENED = {  # what of the round is another
    "plan": "it was opened for another plan than the study's",
    "model": "it was opened for another model than this hospital's",
    "length": "it is opened for {e.found} weights, and this hospital's model has {e.due}",
    "key": "it was opened under another key",
    "bounds": "it is opened with bound {e.found[0]:g} and {e.found[1]} examples, not "
    "{e.due[0]:g} and {e.due[1]}",
    "suite": "it is opened for suite {e.found}, due is {e.due}",
    "run": "it was opened for hospitals that train for run {e.found}, and this hospital trains for "
    "run {e.due}",
}


def entries(event: Mapping[str, Any]) -> list[str]:
    """What is averaged, a line, and what stays at the hospital, a line for each reason."""
    averaged = event["averaged"]
    first = [f"{shown(e['name'])} {_spec(e)}" for e in averaged[:_MOST]]
    said = [
        f"Averaged with the other hospitals: {counted(len(averaged), 'entry', 'entries')}, "
        f"{counted(event['weights'], 'weight')} ({_list(first, len(averaged))})"
    ]
    by_reason: dict[str, list[Mapping[str, Any]]] = {}
    for entry in event["at_home"]:
        by_reason.setdefault(entry["why"], []).append(entry)
    for why, found in by_reason.items():
        first = [f"{shown(e['name'])} {shown(e['what'])}" for e in found[:_MOST]]
        names = _list(first, len(found))
        count = counted(len(found), "entry", "entries")
        said.append(f"Stays at this hospital: {count} ({names}), since {why}")
    return said


def _spec(entry: Mapping[str, Any]) -> str:
    return described(tuple(entry["shape"]), entry["dtype"])


def _list(first: Sequence[str], count: int) -> str:
    return ", ".join([*first, f"{count - len(first)} more"] if count > len(first) else first)


def disagreement(round_name: str, event: Mapping[str, Any]) -> str:
    """Who is not at this hospital's model, in which entries, and who does what about it."""
    names = ", ".join(event["members"])
    said = [
        f"{names}: not at this hospital's model after {round_name}.",
        *_entries(event["entries"]),
        *_runs(event["runs"], event["run"]),
    ]
    alike, needed = event["agreeing"], event["needed"]
    if alike >= needed:
        said.append(f"{alike} hospitals agree, and go on without those who do not.")
        return " ".join(said)
    who = f"{alike} hospitals state" if alike > 1 else "Only this hospital states"
    said.append(f"{who} this model, and a round opens once {needed} state the same.")
    said.append(f"Whoever is wrong {_remedy(round_name, event)}.")
    return " ".join(said)


def _runs(found: Sequence[Mapping[str, str]], own: str) -> list[str]:
    """Who trains for another run than this hospital."""
    told = [f"{one['member']} for {_run(one['run'])}" for one in found]
    return [f"This hospital trains for {_run(own)}, {', '.join(told)}."] if told else []


def _run(name: str) -> str:
    return f"run {shown(name)}" if name else "no run that has a name"


def _remedy(round_name: str, event: Mapping[str, Any]) -> str:
    if event["runs"]:
        return "begins with the run of the others. One study is one run: another run has another"
    if event["entries"]:
        return "starts train again with the app and the columns of the others"
    if not round_name.endswith("/0"):
        return "puts another hospital's models in its data folder and starts train again"
    return (
        "starts train again with the right app and libraries. Their entries are alike, and only "
        "their numbers differ: initial_parameters must give the same at every hospital"
    )


def _entries(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """In what other hospitals' entries differ from this one's, those that differ alike together."""
    alike: list[tuple[list[str], Mapping[str, Any]]] = []
    for one in found:
        said = [names for names, other in alike if _same(one, other)]
        if said:
            said[0].append(one["member"])
        else:
            alike.append(([one["member"]], one))
    return [_differing(names, one["differences"], one["more"]) for names, one in alike]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return (one["differences"], one["more"]) == (other["differences"], other["more"])


def _differing(names: Sequence[str], found: Sequence[Mapping[str, Any]], more: int) -> str:
    first = f"The entries of {' and '.join(names)} are others than here"
    if not found:
        return f"{first}."
    told = [_difference(one) for one in _of_each_kind(found)]
    if rest := len(found) + more - len(told):
        told.append(f"{rest} more")
    return f"{first}: {', '.join(told)}."


def _of_each_kind(found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Some differences: one of entries that both have, one that is here alone, one there, …"""
    kinds: dict[tuple[bool, bool], list[Mapping[str, Any]]] = {}
    for one in found:
        kinds.setdefault((one["here"] is None, one["there"] is None), []).append(one)
    turns = chain.from_iterable(zip_longest(*(kinds[kind] for kind in sorted(kinds))))
    return [one for one in turns if one is not None][:_MOST]


def _difference(found: Mapping[str, Any]) -> str:
    name, here, there = f"'{shown(found['name'])}'", found["here"], found["there"]
    if here is None:
        return f"{name} ({there}) is there alone"
    if there is None:
        return f"{name} ({here}) is here alone"
    return f"{name} is {there} there and {here} here"


_ANEW = "If the app was corrected, its model is trained in another study"


def _mismatch(e: ModelMismatch, c: Context) -> Sentence:
    what = f"{e.round_name}: {_OPENED[e.what].format(e=e)}"
    if e.what == "plan":
        return Sentence(what, "ask the aggregator's operator. Nothing was sent")
    if e.what == "run":
        return Sentence(what, "one study is one run: propose another study for the other run")
    return Sentence(
        what,
        "if the others train with another app, start train with theirs. If models of this data "
        f"folder were lost, put them back. {_ANEW}",
    )


def _models_differ(e: ModelsDiffer, c: Context) -> Sentence:
    said = disagreement(e.round_name, e.facts)
    return Sentence(said.removesuffix("."), "compare with the others what they have begun with")


def _foreign_model(e: ForeignModel, c: Context) -> Sentence:
    return Sentence(
        f"the model that this hospital has after {e.round_name} is none of this app: {e.reason}",
        f"start train with the app of before. {_ANEW}",
    )


def _vectors_gone(e: VectorsGone, c: Context) -> Sentence:
    kept = counted(e.kept, "round")
    until = f"until {DAYS_AFTER_END} days after the study's end"
    by_plan = f"By the plan it keeps those of the last {kept}, {until}"
    if e.is_due:
        by_plan += ". This is one of them: if the study goes on, ask its operator"
    return Sentence(
        f"{e.round_name}: the aggregator no longer has the vectors from which this hospital would "
        f"make the next model. {by_plan}",
        "copy that study's newest model from the data folder of another hospital of the study, "
        f"under its own name. Its place here, for example: {c.placed(e.place)}. Then start train "
        "again. It is taken only if enough hospitals have stated it",
    )


def _let_go(e: ModelLetGo, c: Context) -> Sentence:
    return Sentence(
        f"the model after {e.round_name} is gone: this hospital keeps the newest of each study "
        "alone (--keep-models)",
        f"take a later one: the newest is that after round {e.newest}. Another hospital of the "
        "study may still have this one. It is the same everywhere",
    )


def _not_stated(e: NotStated, c: Context) -> Sentence:
    return Sentence(
        f"the model that was put here after {e.round_name} is not one that {e.needed} hospitals "
        "have stated on the board",
        f"put the right one in its place, or delete it: {c.placed(e.place)}. Its bounds, if this "
        "hospital made it by itself, are missing beside it",
    )


MODELS: Said = {
    ModelMismatch: _mismatch,
    ModelsDiffer: _models_differ,
    ForeignModel: _foreign_model,
    VectorsGone: _vectors_gone,
    ModelLetGo: _let_go,
    NotStated: _not_stated,
}
