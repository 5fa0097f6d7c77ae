"""``serve``: the agent that stays, and ``stop``, which ends it."""

import os
from collections.abc import Callable
from pathlib import Path

from participant.cli.sentences import Context
from participant.cli.views import ServiceLog, say, say_json, sentence_of
from participant.cli.work import (
    AppEnv,
    AppUser,
    BlobsFrom,
    Foreground,
    Given,
    Json,
    KeepModels,
    NodeConfig,
    run,
    served_of,
    variables_of,
)
from participant.door import Failed, JobWanted
from participant.errors import Interrupted
from participant.home import Membership, check_before_asking, enter, federation_folder
from participant.network import open_store
from participant.service import Apps, Notifier, Service
from protocol.programs.processes import keep_descendants

_MOST = 4_096  # characters of a sentence that crosses the door


def serve(
    given: Given,
    app_env: AppEnv = [],  # noqa: B006  # typer copies it
    app_user: AppUser = None,
    node_config: NodeConfig = None,
    keep_models: KeepModels = None,
    blobs_from: BlobsFrom = None,
    as_json: Json = False,
) -> None:
    """Stay, and do all that is due: the agent that the other commands then speak with.

    It trains in each study with the app that was approved here, and helps with its sums.

    Ends at SIGTERM, SIGINT or the command stop, with exit code 0. The next start goes on.
    """
    apps, notifier = Apps(variables_of(app_env, node_config), app_user), Notifier.of(os.environ)
    terms, home = given.terms(signed=True), given.folder()
    check_before_asking(terms.terms, home, needs_key=False)
    folder, context = federation_folder(home, terms.terms.federation), given.context
    context.terms = terms.terms

    def entered() -> Membership:
        return enter(terms, home, given.passphrase())

    keep_descendants()  # so that no app's process comes to its door
    asking = Foreground()
    log = ServiceLog(context, as_json)
    if app_user is None:
        log.apps_run_here()
    told = _describing(context), log, asking, notifier
    service = Service(folder, entered, *told, apps, keep_models, open_store(blobs_from))
    context.is_statistic = service.is_statistic
    try:
        run(service.run, steps=asking)
    except Interrupted:
        return


def _describing(context: Context) -> Callable[[BaseException, JobWanted | None], Failed]:
    """Errors in words, with the files as somebody else typed them."""

    def describe(error: BaseException, wanted: JobWanted | None) -> Failed:
        file, home, plan = (wanted.file, wanted.home, wanted.plan) if wanted else ("", "", "")
        theirs = Context(
            Path(home) if home else context.home,
            Path(file) if file else context.file,
            context.terms,
            bool(home),
            context.is_statistic,
            Path(plan) if plan else None,
        )
        said = sentence_of(error, theirs)
        return Failed(said.what[:_MOST], said.remedy[:_MOST], said.exit_code)

    return describe


def stop(given: Given, as_json: Json = False) -> None:
    """End the agent that serves this federation. It goes on at the next start."""
    hospital = served_of(given)
    run(hospital.stop, hospital)
    if as_json:
        say_json({"event": "stopping"})
    else:
        say("The agent finishes what it is writing, and ends.")
