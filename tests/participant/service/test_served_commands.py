"""The commands of a hospital whose agent runs say the same, word for word, as of one without."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from participant.cli.views.ceremony import link_lost
from participant.errors import Unreachable
from protocol.messages import Statistic
from protocol.messages.rounds import Contribution
from tests.participant.service.test_serve import running, serving, stop
from tests.stage.consortium import Consortium, with_key

pytestmark: list[pytest.MarkDecorator] = []  # fast: one process, and commands in this one


@pytest.fixture
def consortium(tmp_path: Path) -> Iterator[Consortium]:
    """With a key, and the plans of two statistics."""
    made = with_key(tmp_path)
    for name in ("ages", "beds"):
        made.planned(name, Statistic(2, 1, name, ("men", "women")))
    with made.relay.running():
        yield made


# What is said of the link tells how busy the machine is, not what a command does.
LINK = re.compile(
    r"^(aggregator at \S+ not reachable \(.*\); trying again, waiting since \d\d:\d\d:\d\d.*"
    r"|connected again to \S+)\n",
    re.MULTILINE,
)


def typed(consortium: Consortium, index: int, *words: str, expect: int = 0) -> tuple[str, str]:
    """Output and error output of a member's command, but what they say of the link."""
    output, errors = consortium.typed(index, *words, expect=expect)
    return output, LINK.sub("", errors)


def test_what_is_said_of_the_link_is_left_out() -> None:
    url = "https://localhost:1"
    lost = link_lost(Unreachable(url, "no answer yet", "Look"))
    assert not LINK.sub("", f"{lost}\nconnected again to {url}\n")
    others = f"H: {lost}\nApproved by H\nthe aggregator at {url} is not reachable: gone\n"
    assert LINK.sub("", others) == others


def same(consortium: Consortium, *words: str, expect: int = 0) -> str:
    """What the first hospital's command says, through its agent; the second's says the same."""
    said = []
    for index, study in ((1, "ages"), (2, "beds")):
        named = [word.replace("STUDY", study) for word in words]
        output, errors = typed(consortium, index, *named, expect=expect)
        text = (output + errors).replace("H1, H2, H3", "ALL").replace(study, "STUDY")
        text = text.replace(f"H{index}", "H")
        said.append(re.sub("fingerprint .*", "", text))
    assert said[0] == said[1]
    return said[0]


def test_every_command_about_studies_says_the_same_through_the_agent(
    consortium: Consortium,
) -> None:
    with serving(consortium, 1, "--json") as process:
        running(process)
        assert "Proposed: STUDY of Toy" in same(consortium, "study", "propose", "STUDY.toml")
        same(consortium, "study", "propose", "STUDY.toml")  # again: nothing to do
        assert "Approved by H: STUDY" in same(consortium, "study", "approve", "STUDY", "--yes")
        assert "--yes" in same(consortium, "study", "approve", "STUDY", expect=1)  # nobody answers
        assert "state         proposed" in same(consortium, "study", "show", "STUDY")
        gone = [typed(consortium, i, "study", "show", "gone", expect=1) for i in (1, 2)]
        assert gone[0] == gone[1]
        assert "nobody has proposed a study gone. There are ages, beds" in gone[0][1]
        assert {state for _, state in listed(consortium, 1)} == {"proposed"}
        assert listed(consortium, 1) == listed(consortium, 2)
        assert "ages " in typed(consortium, 1, "study", "list")[0]
        assert "Withdrawn by H" in same(consortium, "study", "withdraw", "STUDY")
        assert "H votes to end STUDY" in same(consortium, "study", "end", "STUDY", "--yes")
        assert "no" in same(consortium, "study", "end", "STUDY", expect=1)  # nobody answers
        assert "Here: H1" in typed(consortium, 1, "status")[0]
        stop(process)


def test_a_statistic_is_computed_by_hospitals_of_which_one_has_an_agent(
    consortium: Consortium,
) -> None:
    for index in (1, 2, 3):
        text = f"label,number\nmen,{index}.5\nwomen,{10 * index}\n"
        (consortium.folder / f"n{index}.csv").write_text(text)
    (consortium.folder / "odd.csv").write_text("label,number\nmen,1.25\nwomen,2\n")
    (consortium.folder / "n1.csv").chmod(0o600)
    word = ["--study", "ages", "--timeout", "60"]
    with serving(consortium, 1, "--json") as process:
        running(process)
        typed(consortium, 1, "study", "propose", "ages.toml")
        for index in (1, 2, 3):
            typed(consortium, index, "study", "approve", "ages", "--yes")
        odd = [typed(consortium, i, "contribute", "odd.csv", *word, expect=1) for i in (1, 2)]
        assert odd[0] == odd[1]
        assert "odd.csv cannot be contributed: line 2 (men)" in odd[0][1]
        gone = [typed(consortium, i, "contribute", "gone.csv", *word, expect=1) for i in (1, 2)]
        assert gone[0] == gone[1]
        said = [typed(consortium, i, "contribute", f"n{i}.csv", *word)[0] for i in (1, 2, 3)]
        assert said[0] == said[1].replace("n2.csv", "n1.csv")
        again = [typed(consortium, i, "contribute", f"n{i}.csv", *word)[0] for i in (1, 2)]
        assert again[0] == again[1].replace("n2.csv", "n1.csv")
        assert "holds what this hospital contributed before" in again[0]
        assert contributors(consortium) == [1, 2, 3]
        helping = consortium.start(2, "decrypt", "--yes", *word)  # the agent helps by itself
        assert helping.wait(60) == 0
        read = [typed(consortium, i, "decrypt", *word)[0] for i in (1, 2)]  # asks no more
        assert read[0] == read[1]
        assert "  7.5  men" in read[0]
        assert "  60.0  women" in read[0]
        facts = [typed(consortium, i, "decrypt", "--json", *word)[0] for i in (1, 2)]
        assert facts[0] == facts[1]
        assert json.loads(facts[0].splitlines()[-1])["sums"] == ["7.5", "60.0"]
        log = json.dumps(stop(process))
    assert "contribute numbers" in log
    assert "1.25" not in log  # nor in what failed
    assert "the command that gave it says why" in log


def listed(consortium: Consortium, index: int) -> list[tuple[str, str]]:
    """All studies and their states, as a hospital's command says it."""
    said, _ = typed(consortium, index, "study", "list", "--json")
    return [(one["digest"], one["state"]) for one in json.loads(said)["studies"]]


def contributors(consortium: Consortium) -> list[int]:
    entries = consortium.relay.core.board.session("study/ages/1")
    return sorted(p.post.sender for p in entries if isinstance(p.post.body, Contribution))
