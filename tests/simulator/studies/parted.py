"""A forked board that nobody can have noticed, and whether all who wait at it know for whom."""

from collections.abc import Iterator

from tests.simulator.federation import Federation
from tests.simulator.hospital import Hospital
from tests.simulator.studies.script import StudyScript


def all_wait_for_the_other_board(federation: Federation) -> bool:
    """Whether a run without an end has ended well, since its board was forked.

    A fork is noticed by whoever has read one branch and is shown the other. Branches that part
    after hospitals have changed sides for the last time are shown to nobody who knows the other
    one: to each hospital those at the other board are silent for ever, and no rule tells that from
    silence. That ends well where whoever waits is told of somebody at the other board, and nobody
    waits who could do without them: votes of ``lock_threshold`` hospitals at one board end what is
    not done.
    """
    heads = {service.aggregator.board.head for service in federation.services if service.aggregator}
    return len(heads) > 1 and all(
        _waits_for_the_other_board(federation, hospital, script)
        for hospital in federation.hospitals.values()
        if not hospital.finished
        for script in _unfinished(hospital)
    )


def _unfinished(hospital: Hospital) -> Iterator[StudyScript]:
    person = hospital.person
    running = {job.study for job in person._running.values()}
    for script in person.scripts:
        if script.name in running or not person._is_over(script):
            yield script


def _waits_for_the_other_board(
    federation: Federation, hospital: Hospital, script: StudyScript
) -> bool:
    agent, person = hospital.agent, hospital.person
    assert agent is not None
    side = {i: federation.served_by[i] for i in federation.members}
    there = {i for i in side if side[i] != side[hospital.index]}
    if script.name not in agent.board.studies:
        starts = [s for s in federation.plan.studies if s.name == script.after[0]]
        if starts and starts[0].name not in agent.board.studies:  # it is proposed after that one
            return _waits_for_the_other_board(federation, hospital, starts[0])
        return any(word.what == "propose" and word.member in there for word in script.words)
    if len(side) - len(there) >= federation.terms.lock_threshold:
        return False
    waits = [
        task.waiting(agent.board)
        for task, job in person._running.items()
        if job.study == script.name
    ]
    return all(there & {*found.members, *found.facts.get("refused", ())} for found in waits)
