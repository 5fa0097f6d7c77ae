"""What another party wrote, as people may see it: the one way to a terminal, a log or a page.

Names, addresses, reasons, metrics, file names, library errors that quote bytes off the wire: none
of it may move a cursor, begin a line, turn the direction of writing, hide, or fill a screen.
A character that could is shown as its escape (``\\x1b``, ``\\u202e``), and what is too long ends in
an ellipsis. Joiners stay where a script needs them (protocol.words.joiners).

Not covered: characters that look alike, such as a Cyrillic and a Latin a, and words of a script
written from the right, next to which a terminal may put a figure on the other side. Who is who,
the fingerprint of a card tells.
"""

import codecs
import json
import math
import re
import shlex
import unicodedata
from collections.abc import Callable, Mapping

from protocol.words.joiners import JOINERS, joins

FIELD = 200  # characters of one field: a name, a reason, a value
LINE = 4_096  # characters of a line, which may list many fields
_ELLIPSIS = "…"
_MARKS = (  # the longer first: a mark of UTF-32 begins like one of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_BLANKS = re.compile(" {2,}")
_MAX_MARKS = 4  # combining marks on one letter; more climb into the lines above and below
# Printable to Python, invisible to people: fillers, selectors of a variant, blank Braille.
_FILLERS = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
_SELECTORS = (*range(0x180B, 0x180E), 0x180F, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_INVISIBLE = frozenset(map(chr, _FILLERS + _SELECTORS))


def shown(field: object, limit: int = FIELD) -> str:
    """One field of another party's words, in at most ``limit`` characters of one line.

    Any run of blanks is one blank, so that no field lays out a line. What is neither text nor a
    number is shown as its type.
    """
    if not isinstance(field, str | int | float | None):
        return f"({type(field).__name__})"
    text = str(field)
    looked_at = text[: 8 * limit]  # there may be blanks without end
    return _cut(_pieces(_BLANKS.sub(" ", looked_at)), limit, len(looked_at) < len(text))


def line(text: str, limit: int = LINE) -> str:
    """A whole line, own words and fields: its blanks stay, so that columns stay aligned.

    Whatever writes to a terminal or a log passes each of its lines through here, at the last step.
    """
    return _cut(_pieces(text[: limit + 1]), limit, len(text) > limit)


def lines(text: str) -> str:
    """A text of several lines for a file that people read, each of them as ``line`` shows it."""
    return "".join(f"{line(row)}\n" for row in text.rstrip("\n").split("\n"))


def pasted(path: object) -> str:
    """A path as an argument of a command that people paste into a shell; ``line`` leaves it be.

    What ``line`` would escape is written in octal, byte by byte, in a form that every shell of
    POSIX reads (``"$(printf '…')"``). It drops newlines at the end, which are written in bash's.
    """
    text = str(path)
    if text.startswith("-"):
        text = f"./{text}"  # else an option
    if is_plain(text):
        return shlex.quote(text)
    octal = "".join(map(_in_octal, text))
    return f"$'{octal}'" if text.endswith("\n") else f"\"$(printf '{octal.replace('%', '%%')}')\""


def _in_octal(c: str) -> str:
    if " " <= c <= "~" and c not in "\\'!":  # the last of which calls up an earlier command
        return c
    is_byte = "\udc80" <= c <= "\udcff"  # of a name that is no text, as Python holds it
    data = c.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in data)


def json_text(
    value: object, indent: int | None = None, default: Callable[[object], object] | None = None
) -> str:
    """JSON in ASCII without control characters, as strict parsers read it.

    Numbers that JSON has no form for (NaN, infinity) are null, and keys of other types are texts.
    default: what to write for any other value without a form, else TypeError.
    """
    rest = (lambda found: _strict(default(found))) if default else None
    return json.dumps(_strict(value), indent=indent, default=rest, allow_nan=False)


def _strict(value: object) -> object:
    if isinstance(value, Mapping):
        plain = str | int | float | bool | None
        keys = ((k if isinstance(k, plain) else str(k), v) for k, v in value.items())
        return {str(k) if isinstance(k, float) else k: _strict(v) for k, v in keys}
    if isinstance(value, list | tuple):
        return [_strict(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def decoded(data: bytes) -> str:
    """Text in UTF-8, or in what its byte-order mark says, without the mark that editors put first.

    Raises UnicodeDecodeError; a NUL is no text, and where UTF-16 was added to UTF-8 there are some.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    text = data.decode(encoding)
    if "\0" in text:
        at = data.index(b"\0")
        raise UnicodeDecodeError(encoding, data, at, at + 1, "a character of number 0")
    return text


def is_plain(text: str) -> bool:
    """Whether ``line`` shows the text as it is, whatever its length."""
    return all(len(piece) == 1 for piece in _pieces(text))


def _pieces(text: str) -> list[str]:
    """Each character as it is shown."""
    pieces, marks = [], _MAX_MARKS  # at the beginning a mark would sit on another's letter
    for at, c in enumerate(text):
        if c in JOINERS and joins(text, at):
            pieces.append(c)  # which ends no letter, so that the marks on it are counted on
            continue
        marks = marks + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        is_safe = c.isprintable() and c not in _INVISIBLE and marks <= _MAX_MARKS
        pieces.append(c if is_safe else _escape(c))
    return pieces


def _escape(c: str) -> str:
    return c.encode("unicode_escape", "backslashreplace").decode()


def _cut(pieces: list[str], limit: int, is_cut: bool) -> str:
    """The pieces, or as many as leave room for the ellipsis; an escape is not broken."""
    whole = "".join(pieces)
    if len(whole) <= limit and not is_cut:
        return whole
    room, kept = limit - len(_ELLIPSIS), 0
    for k, piece in enumerate(pieces):
        kept += len(piece)
        if kept > room:
            return "".join(pieces[:k]) + _ELLIPSIS
    return whole + _ELLIPSIS
