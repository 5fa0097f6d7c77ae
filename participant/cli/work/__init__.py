"""How a command does its work: its options, its loop, its worker, and what it tells meanwhile."""

from participant.cli.work.app_surroundings import AppEnv, AppUser, NodeConfig, variables_of
from participant.cli.work.foreground import Foreground
from participant.cli.work.options import (
    FEDERATION,
    PATIENCE_SECONDS,
    BlobsFrom,
    FederationFile,
    Given,
    GivenByOption,
    Home,
    Json,
    KeepModels,
    PassphraseFile,
    Predecessors,
    StudyOption,
    Timeout,
    Yes,
    at_home,
    context_of,
    not_with_agent,
    seconds,
    spread,
    study_name,
    terms_in,
)
from participant.cli.work.telling import Teller, telling, watched
from participant.cli.work.working import Worker, hospital_of, run, say_aside, served_of, worker_of
