"""SIGKILL and SIGSTOP of one leader after the other, within the rounds of a real federation."""

import json
from pathlib import Path

import pytest

from examples.demo.processes import checked
from participant.model.file import model_name
from tests.stage.boards.killing import ROUNDS, STUDY, Site
from tests.stage.boards.server import Server

KILLS, FREEZES = 20, 3


@pytest.mark.slow
def test_training_goes_on_under_the_next_leader_and_its_record_verifies(
    tmp_path: Path, postgres: Server
) -> None:
    with Site.at_work(tmp_path, postgres) as site:
        killed, frozen = site.train(KILLS, FREEZES)
        assert (len(killed), len(frozen)) == (KILLS, FREEZES)
        made = site.federation
        folders = [h.folder(made.terms.federation) for h in made.hospitals]
        models = {(folder / model_name(STUDY, ROUNDS)).read_bytes() for folder in folders}
        assert len(models) == 1
        posts = [posted.digest for posted in site.board().entries]
        assert len(set(posts)) == len(posts)
        verified = made.hospitals[0].participant("verify", str(site.export()), "--json")
        assert json.loads(checked(verified))["holds"]
