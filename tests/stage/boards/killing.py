"""A real federation that trains while the leaders of its aggregator are killed and frozen."""

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from aggregator.identity import read_card
from examples.demo.processes import aggregate, checked, ending, finish, wait_for
from protocol.board.board import Board
from protocol.board.post import decode_entry
from tests.stage.boards.cluster import Balancer, Cluster, wait_until
from tests.stage.boards.server import Server
from tests.stage.boards.stored import stored_entries
from tests.test_federation import Federation, finish_all, give_patients, train

PROCESSES, ROUNDS, STUDY = 3, 5, "risk"
_ENTRIES_A_ROUND = 11  # of three hospitals


class Site:
    """Three hospitals with their key and a study, and three processes of their aggregator."""

    def __init__(self, folder: Path, server: Server, cluster: Cluster, made: Federation) -> None:
        self.folder, self.server, self.cluster, self.federation = folder, server, cluster, made

    @classmethod
    @contextlib.contextmanager
    def at_work(cls, folder: Path, server: Server) -> Iterator["Site"]:
        """Once there is a key, and all have approved the study; until the block ends."""
        made = Federation(folder)
        give_patients(made)
        data = folder / "aggregator"
        cluster = Cluster(made.file, data, server.address(server.new_database()), PROCESSES)
        port = urlsplit(read_card(data / "aggregator.toml").url).port or 443
        with contextlib.ExitStack() as ends:
            ends.callback(cluster.close)
            ports = [member.port for member in cluster.members]
            ends.enter_context(Balancer(port, ports).running())
            cluster.leader()
            command = "ceremony", str(made.file)
            finish_all([made.start(h, *command) for h in made.hospitals], "the ceremony")
            made.train_in(STUDY, ROUNDS)
            yield cls(folder, server, cluster, made)

    def entries(self) -> list[bytes]:
        return stored_entries(self.cluster.address, self.federation.terms.federation)

    def board(self) -> Board:
        """What is stored, every entry verified."""
        board = Board(self.federation.terms)
        for data in self.entries():
            board.append(decode_entry(data))
        return board

    def train(self, kills: int, freezes: int) -> tuple[list[float], list[float]]:
        """All rounds, with so many leaders killed and frozen on the way.

        Seconds until the next leader answered, of each.
        """
        made, before = self.federation, len(self.entries())
        step = ROUNDS * _ENTRIES_A_ROUND // (kills + freezes + 1)
        killed, frozen = list[float](), list[float]()
        trainings = [train(made, hospital, STUDY) for hospital in made.hospitals]
        with ending(trainings):
            for number in range(kills + freezes):
                due = before + step * (number + 1)
                wait_for(f"entry {due}", lambda due=due: len(self.entries()) >= due, trainings, 120)
                if number * freezes // (kills + freezes) < len(frozen) or not freezes:
                    killed.append(self._kill())
                else:
                    frozen.append(self._freeze())
            finish(trainings, "the training", 240)
        return killed, frozen

    def _kill(self) -> float:
        leader = self.cluster.leader()
        leader.process.kill()
        _, seconds = self.cluster.follower(leader)
        leader.process.wait()
        self.cluster.restart(leader)
        return seconds

    def _freeze(self) -> float:
        """It wakes up when another one leads."""
        leader = self.cluster.leader()
        leader.process.send_signal(signal.SIGSTOP)
        _, seconds = self.cluster.follower(leader)
        time.sleep(0.2)  # in which the other one answers hospitals
        leader.process.send_signal(signal.SIGCONT)
        said = "no longer leads"
        wait_until(lambda: said in leader.said, f"{leader.log.name}: {said}")
        return seconds

    def export(self) -> Path:
        """The record, from the database."""
        record, made = self.folder / "record", self.federation
        words = "--data", str(self.cluster.data), "--board", self.cluster.address
        checked(aggregate("export", str(made.file), *words, "--out", str(record)))
        return record
