"""The terms as people read them before they sign."""

from keyshare.ceremony import LEAST_KEY_BITS
from participant.cli.views.succession import succession_lines
from participant.cli.views.terminal import say
from participant.home import Card, TermsFile
from protocol.terms import Terms
from protocol.words.counted import counted
from protocol.words.duration import duration


def show_terms(file: TermsFile, old: Terms | None = None) -> None:
    """What the terms say, who has signed, and what they change of the old ones, if given."""
    terms, unsigned = file.terms, file.unsigned()
    say(f"Terms of {terms.name}")
    say(f"  fingerprint   {file.fingerprint}")
    say(f"  quorum        {terms.quorum} of {terms.n_members}, {terms.key_bits}-bit key")
    if terms.has_small_key:
        say(
            f"  WARNING       A key of {terms.key_bits} bits can be broken: it protects no data. "
            f"Terms for a test alone. Data needs {LEAST_KEY_BITS} bits or more."
        )
    for line in succession_lines(terms, old):
        say(line)
    if file.card is not None:
        say(f"  aggregator    {file.card.url} (card {file.card.number}, which no member signs)")
    say(
        f"  ceremony      given up when a step has lasted {duration(terms.step_seconds)}, counted "
        "once all have joined"
    )
    floors = terms.floors
    say(
        f"  floors        no study may have sums of fewer than {terms.least_contributors} "
        f"hospitals. {counted(floors.assumed_colluders, 'member')} may put together what they know"
    )
    does = "refuse to open" if floors.differencing == "refuse" else "warn, and open,"
    say(
        f"  differencing  hospitals {does} a sum where it shows, with all others of any study, "
        f"fewer than {terms.least_difference} members"
    )
    say("  studies       what is computed is no part of the terms: hospitals approve each study")
    say("  members")
    for number, member in enumerate(terms.members, start=1):
        state = "signed"
        if unsigned and member.name in unsigned.missing:
            state = "not signed"
        elif unsigned and member.name in unsigned.wrong:
            state = "signature does not fit"
        say(f"    {number}  {member.name}: {state}")
        say(f"       {Card(member.name, member.key).fingerprint}")
