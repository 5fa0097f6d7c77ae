"""The federation, its key ceremonies, and the words that a reader needs."""

from collections import defaultdict
from collections.abc import Iterator

from keyshare.ceremony import LEAST_KEY_BITS
from participant.ceremony import Accusation
from participant.report.facts import (
    CeremonyFacts,
    Contents,
    InheritanceFacts,
    MemberFacts,
    RecordBefore,
    VerdictFacts,
)
from participant.report.markup import Markup, element, table
from participant.report.words import between, count, entries, names, when
from participant.words.fingerprint import fingerprint
from protocol.encoding import encode_binary
from protocol.terms import Terms


def federation_section(contents: Contents) -> Markup:
    """Who they are, what they have agreed on, and who has countersigned the record."""
    terms = contents.terms
    caption = "Hospitals, and up to which entry each has signed the history"
    labels = ("no.", "hospital", "fingerprint of its card", "entries", "has signed up to")
    rows = [_member(m, contents) for m in contents.members]
    return element(
        "section",
        element("h2", "The federation"),
        element(
            "dl",
            _fact("name", terms.name),
            _fact("fingerprint of its terms", contents.fingerprint, "words"),
            _fact("hospitals", str(terms.n_members)),
            _fact("quorum", f"{terms.quorum} of {terms.n_members}"),
            _fact("joint key", f"{terms.key_bits:,} bits{_note(terms)}"),
            _fact("key of the aggregator", encode_binary(terms.aggregator_key)),
            *_chain(contents),
            class_="facts",
        ),
        element("h3", "What all hospitals have signed"),
        element("ul", [element("li", rule) for rule in rules(terms)]),
        table(caption, labels, rows, "cards", "entries"),
        element(
            "p",
            "With every post a hospital signs for all entries that it had seen before. It "
            "countersigns the record to sign for the last ones, too. It has checked every entry up "
            "to the one it signs, and knows no other history. The aggregator cannot change what a "
            "hospital has signed for, nor show another history to another, without it being seen.",
        ),
        id="federation",
    )


def _chain(contents: Contents) -> Iterator[tuple[Markup, Markup]]:
    """Which federation this one succeeds, and which of the records before were given."""
    predecessor = contents.terms.predecessor
    if predecessor is None:
        return
    yield _fact("succeeds the terms", fingerprint(predecessor.federation), "words")
    names_before = [f"{one.name}{_failures(one)}" for one in contents.before]
    given = " ← ".join([contents.terms.name, *names_before])
    missing = "the record of the predecessor was not given, so the checks 8 say little"
    yield _fact("chain of records", given if names_before else missing)


def _failures(before: RecordBefore) -> str:
    return f" (FAILED {', '.join(before.failed)})" if before.failed else ""


def rules(terms: Terms) -> list[str]:
    """The terms in sentences."""
    floors = terms.floors
    does = "decrypt nothing" if floors.differencing == "refuse" else "are warned"
    return [
        f"Any {terms.quorum} of the {terms.n_members} hospitals together decrypt a sum. Fewer "
        "decrypt nothing. Nobody holds the key.",
        f"A sum is decrypted only if at least {terms.least_contributors} hospitals contributed. No "
        "study may ask for fewer.",
        f"Before anything is decrypted, at least {terms.lock_threshold} hospitals have to sign "
        "for one and the same set of contributions, so that no round is decrypted twice.",
        "Differences of sums, of whatever studies, must not show what fewer than "
        f"{terms.least_difference} hospitals contributed: of such a sum the hospitals {does}.",
        f"It is assumed that up to {count(floors.assumed_colluders, 'hospital')} may put together "
        "what they know.",
        "What is computed, and under which rules, is said by the plan of each study. A hospital "
        "does only what it has approved.",
    ]


def _note(terms: Terms) -> str:
    return f" (for tests only: {LEAST_KEY_BITS:,} at least)" if terms.has_small_key else ""


def _fact(what: str, value: str | Markup, class_: str = "") -> tuple[Markup, Markup]:
    return element("dt", what), element("dd", value, class_=class_)


def _member(member: MemberFacts, contents: Contents) -> Markup:
    is_with_posts = member.signed > (member.countersigned or 0)
    how = "with its posts" if is_with_posts else "countersigned"
    said = f"entry {member.signed} of {contents.head.position}, {how}" if member.signed else "none"
    return element(
        "tr",
        element("td", str(member.number), data_label="no."),
        element("th", member.name, scope="row"),
        element("td", member.fingerprint, class_="words", data_label="fingerprint"),
        element("td", f"{member.posts:,}", class_="number", data_label="entries"),
        element("td", said, data_label="has signed up to"),
    )


def ceremonies_section(contents: Contents) -> Markup:
    """Each key ceremony: who, when, how long, and what came of it."""
    done = [_ceremony(found, contents.terms) for found in contents.ceremonies]
    if contents.inheritance is not None:
        done.insert(0, _taken_over(contents.inheritance, contents.terms))
    none = element("p", "No key ceremony has begun.") if not done else None
    return element("section", element("h2", "The joint key"), none, done, id="ceremonies")


def _taken_over(found: InheritanceFacts, terms: Terms) -> Markup:
    """A key that another federation has made: who says that they have it, and by what."""
    if found.position is None:
        need = f"it counts once {terms.lock_threshold} hospitals have said the same of it"
        need += ", and all sums that they name are here"
        lines = [_fact("outcome", f"not taken over yet: {need}")]
    else:
        lines = [
            _fact("outcome", f"it counts from entry {found.position} on, as epoch {found.epoch}"),
            _fact("released by", f"entry {found.released} of the board before"),
            _fact("fingerprint of the key", found.fingerprint, "words"),
        ]
    if found.said:
        lines.append(_fact("said by", _all(found.said, terms)))
    if found.said_another:
        lines.append(_fact("something else said by", names(terms, found.said_another)))
    title = element("h3", "taken over from the federation before")
    return element("article", title, element("dl", lines, class_="facts"))


def _ceremony(found: CeremonyFacts, terms: Terms) -> Markup:
    lines = [
        _fact("outcome", f"{found.outcome}{_after(found)}"),
        _fact("took part", names(terms, found.joined)),
        _fact("began", f"{when(found.began.time_ms)} UTC"),
        _fact("candidates tried", f"{found.candidates:,}"),
        _fact("certified by", _all(found.certified, terms)),
    ]
    if found.ended:
        lines.insert(3, _fact("ended", f"{when(found.ended.time_ms)} UTC"))
    if found.fingerprint:
        lines.append(_fact("fingerprint of the key", found.fingerprint, "words"))
    alike = defaultdict[tuple[str, str, str], list[Accusation]](list)
    for abort in found.aborts:
        alike[abort.step, _cause(abort, terms), abort.reason].append(abort)
    aborts = [
        element(
            "li",
            element("strong", names(terms, [a.by for a in said])),
            f" aborted it in step {step} ({entries([a.position for a in said])}), "
            f"{cause}: {reason}",
        )
        for (step, cause, reason), said in alike.items()
    ]
    return element(
        "article",
        element("h3", found.session),
        element("dl", lines, class_="facts"),
        element("ul", aborts, class_="remarks") if aborts else None,
        _verdict(found.verdict, found, terms) if found.verdict else None,
    )


def _cause(abort: Accusation, terms: Terms) -> str:
    if abort.silent and not abort.culprit:
        return f"for the silence of {names(terms, abort.silent)}"
    return f"because of {names(terms, [abort.culprit])}" if abort.culprit else "accusing nobody"


def _after(found: CeremonyFacts) -> str:
    if found.ended is None:
        return ""
    since = found.all_joined or found.began
    return f", {between(since.time_ms, found.ended.time_ms)} after " + (
        "all had joined" if found.all_joined else "its beginning"
    )


def _all(members: tuple[int, ...], terms: Terms) -> str:
    everyone = len(members) == terms.n_members
    return f"all {terms.n_members} hospitals" if everyone else names(terms, members)


def _verdict(found: VerdictFacts, ceremony: CeremonyFacts, terms: Terms) -> Markup:
    """What the disclosed seeds show."""
    if found.missing:
        return element("p", f"There is no verdict: {found.missing}.", class_="failed")
    said = [
        element(
            "li",
            element("strong", names(terms, [culprit.member])),
            f" broke the rules at entry {culprit.entry}: {culprit.reason}",
        )
        for culprit in found.culprits
    ]
    if not said:
        said.append(element("li", "Nobody of them broke the rules."))
    if found.given_up:
        entry, reason = found.given_up
        borne_out = "as the board bears out. The times are the aggregator's and prove no fault"
        said.append(
            element("li", f"It was given up rightly at entry {entry}, {borne_out}: {reason}.")
        )
    said += [
        element("li", f"{names(terms, [m])} is silent: its seed is not there.")
        for m in found.silent
    ]
    seeds = names(terms, ceremony.disclosed)
    intro = element("p", f"Verdict, by replaying what the disclosed seeds of {seeds} give:")
    return element("div", intro, element("ul", said, class_="remarks"))


def others_section(contents: Contents) -> Markup | None:
    """Sessions of other kinds."""
    if not contents.others:
        return None
    lines = [
        element("li", f"{o.session}: {count(o.entries, 'entry')}, {when(o.first.time_ms)} UTC")
        for o in contents.others
    ]
    return element("section", element("h2", "Other sessions"), element("ul", lines))


def glossary_section(contents: Contents) -> Markup:
    """Five lines."""
    terms = contents.terms
    words = {
        "Board": "The list of everything that was said, in order and signed. Each entry holds a "
        "hash of the one before it. The aggregator keeps it. It decrypts nothing in it, and can "
        "change nothing unseen.",
        "Key ceremony": "How the hospitals made their joint key, of which each holds a share, and "
        "which nobody has ever held as a whole.",
        "Contribution": "One hospital's encrypted numbers for a round. Nobody decrypts it: only "
        "the sum of enough contributions.",
        "Lock": f"A hospital's signature that it helps with this one set of contributions and no "
        f"other in this round; {terms.lock_threshold} are needed.",
        "Partial decryption": f"A hospital's part in decrypting a sum, with a proof that it is "
        f"right; {terms.quorum} of them, the quorum, give the sum to the hospitals.",
    }
    lines = [
        element("div", element("dt", word), element("dd", said)) for word, said in words.items()
    ]
    return element(
        "section", element("h2", "Five words"), element("dl", lines, class_="glossary"),
        id="glossary",
    )  # fmt: skip
