"""Three hospitals with homes, signed terms and a relay: what a test of whole commands needs."""

import asyncio
import atexit
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from typer.testing import CliRunner

from examples.demo.processes import free_port
from participant.agent.agent import Agent
from participant.agent.task import Task
from participant.agent.tasks import Tasks
from participant.ceremony.task import CeremonyTask
from participant.cli import app
from participant.home.identity import create
from participant.home.membership import Membership, enter
from participant.home.terms_file import read_signed_terms, read_terms, sign_file, write_terms
from participant.home.vault import Vault
from participant.network.card_task import CardTask
from participant.network.link import Caller, Traffic, open_link
from participant.network.session import Notices, Session
from participant.study import write_plan
from protocol.board import Study
from protocol.messages import Plan, Statistic, Training
from protocol.signing import public_bytes
from protocol.terms.address_card import AddressCard, sign_card
from protocol.terms.terms import Member, Terms, render
from tests.stage.fake_proxy import HOST
from tests.stage.link.relay import Relay, TlsKey, make_tls_key
from tests.stage.toy import replace_terms, toy_federation
from tests.stage.toy_home import CHEAP, PASSPHRASE

MEMBERS = 3
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Consortium:
    """A folder with ``federation.toml`` and the homes h1, h2, h3; the relay is not yet running."""

    folder: Path
    terms: Terms
    card: AddressCard
    relay: Relay
    tls: TlsKey

    @property
    def file(self) -> Path:
        return self.folder / "federation.toml"

    def member(self, index: int) -> Membership:
        """A member's place, with a vault that is cheap to open."""
        home = self.folder / f"h{index}"
        found = enter(read_signed_terms(self.file), home, PASSPHRASE)
        vault = Vault(found.vault.folder, found.vault.federation, index, CHEAP)
        return replace(found, vault=vault)

    def session(
        self, index: int, task: Task | None = None, shows_card: bool = False, **changes: Any
    ) -> Session:
        """A member's session, for a ceremony unless another task is given."""
        member = self.member(index)
        task = task or CeremonyTask(member.terms, index, member.secrets)
        key = member.identity.signing_key
        tasks = Tasks.lone(task, CardTask(index, member.address)) if shows_card else task
        agent = Agent(member.terms, index, key, member.storage, tasks)
        return Session(agent, key, member.address, **changes)

    def environment(self, index: int) -> dict[str, str]:
        """What a member's commands find set."""
        return {
            "QUORATE_PASSPHRASE": PASSPHRASE.text,
            "QUORATE_HOME": str(self.folder / f"h{index}"),
        }

    def typed(self, index: int, *words: str, expect: int = 0) -> tuple[str, str]:
        """Output and error output of a member's command, without a process of its own.

        What it keeps is sealed at little cost.
        """
        cheap = patch("participant.home.membership.Vault", partial(Vault, cost=CHEAP))
        no_terminal = patch("participant.home.passphrase._has_terminal", lambda: False)
        with contextlib.chdir(self.folder), cheap, no_terminal:
            result = CliRunner().invoke(app, list(words), env=self.environment(index))
        assert result.exit_code == expect, result.output
        assert isinstance(result.exception, SystemExit | None)
        assert "Traceback" not in result.stderr
        return result.stdout, result.stderr

    def planned(
        self, name: str, work: Training | Statistic, members: Sequence[int] = (1, 2, 3)
    ) -> Study:
        """A study, its plan in a file of its name beside the terms."""
        plan = Plan("to try it", tuple(members), len(members), 30, work)
        study = Study(self.terms, name, plan)
        write_plan(self.folder / f"{name}.toml", study)
        return study

    def hold_study(self, name: str, work: Training | Statistic) -> Study:
        """A study that is proposed, and approved by all."""
        study = self.planned(name, work)
        self.typed(1, "study", "propose", f"{name}.toml")
        unpinned = ["--unpinned"] if study.is_training else []
        for index in study.members:
            self.typed(index, "study", "approve", name, "--yes", *unpinned)
        return study

    def start(self, index: int, *words: str) -> subprocess.Popen[str]:
        """Start a command of a member."""
        environment = os.environ | self.environment(index)
        return subprocess.Popen(
            [sys.executable, "-m", "participant", *words],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'integrations'}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def ended(process: subprocess.Popen[str], expect: int = 0) -> tuple[str, str]:
    """Output and error output of a command that ends with the expected exit code."""
    output, errors = process.communicate(timeout=60)
    assert process.returncode == expect, output + errors
    assert "Traceback" not in errors
    return output, errors


def found(
    folder: Path,
    url: str = "",
    pin: bytes = b"",
    card: AddressCard | None = None,
    n_members: int = MEMBERS,
    **changes: Any,
) -> Consortium:
    """Make the identities, the terms and a relay that is not yet running.

    card: of an aggregator in the relay's place. A majority is a quorum.
    """
    numbers = range(1, n_members + 1)
    identities = [create(folder / f"h{i}", f"H{i}", PASSPHRASE, CHEAP) for i in numbers]
    toy = toy_federation(n_members, n_members // 2 + 1)
    tls, port = make_tls_key(folder / "tls"), free_port()
    url = url or f"wss://localhost:{port}"
    card = card or sign_card(toy.keys[0], 1, url, pin or tls.pin)
    terms = replace_terms(
        toy.terms,
        **{
            "members": tuple(Member(i.name, public_bytes(i.signing_key)) for i in identities),
            "aggregator_key": card.key,
        }
        | changes,
    )
    relay = Relay(terms, toy.keys[0], tls, folder / "board", port)
    made = Consortium(folder, terms, card, relay, tls)
    write_terms(made.file, terms, card)
    for identity in identities:
        sign_file(read_terms(made.file), identity, folder)
    return made


def with_key(folder: Path, n_members: int = MEMBERS) -> Consortium:
    """The same with a key, which a ceremony has made once for all tests; at a port of its own."""
    first = _first_with_key(n_members)
    shutil.copytree(first.folder, folder, dirs_exist_ok=True)
    tls = replace(
        first.tls,
        certificate=folder / first.tls.certificate.relative_to(first.folder),
        key=folder / first.tls.key.relative_to(first.folder),
    )
    port = free_port()
    relay = Relay(first.terms, first.relay.key, tls, folder / "board", port)
    card = sign_card(relay.key, 1, f"wss://localhost:{port}", tls.pin)
    made = Consortium(folder, first.terms, card, relay, tls)
    before, after = render(made.terms, first.card), render(made.terms, card)
    made.file.write_text(made.file.read_text().replace(before, after))
    return made


@cache
def _first_with_key(n_members: int) -> Consortium:
    """The one that others are copies of."""
    folder = tempfile.mkdtemp(prefix="quorate-with-key-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    made = found(Path(folder), n_members=n_members)
    with made.relay.running():
        ends = run_all([made.session(i + 1) for i in range(n_members)])
    assert ends == [None] * n_members, ends
    return made


def elsewhere(folder: Path) -> Consortium:
    """The same, where the aggregator has a name that only a proxy can resolve."""
    made = found(folder / "first")
    url = f"wss://{HOST}:{made.relay.port}"
    again = found(folder / "second", url, made.tls.pin)
    relay = replace(again.relay, key=made.relay.key, tls=made.tls, port=made.relay.port)
    return replace(again, relay=relay, tls=made.tls)


def run_all(sessions: Sequence[Session], seconds: float = 60) -> list[BaseException | None]:
    """Run sessions side by side to their ends; what each raised."""
    ends: list[BaseException | None] = [None] * len(sessions)

    def run(k: int) -> None:
        try:
            asyncio.run(sessions[k].work())
        except BaseException as error:
            ends[k] = error

    threads = [threading.Thread(target=run, args=(k,), daemon=True) for k in range(len(sessions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a session does not end"
    return ends


def call(consortium: Consortium) -> str:
    """Connect as a member; what the aggregator welcomed it with."""

    async def connect() -> str:
        caller = Caller(1, consortium.member(1).identity.signing_key, bytes(16))
        async with open_link(consortium.terms, consortium.card, caller, Traffic()) as link:
            return type(link.welcome).__name__

    return asyncio.run(connect())


def lost_into(reasons: list[str]) -> Notices:
    """Notices that keep why the link was lost."""
    keep: Callable[..., None] = lambda reason: reasons.append(reason.reason)  # noqa: E731
    return Notices(lost=keep)
