"""Characters without a width of their own, where a script needs them, and nowhere else.

A zero-width non-joiner (ZWNJ) parts two letters that would be joined, as in Persian. It and the
joiner (ZWJ) choose the form of a conjunct after a virama, as in Hindi or Sinhala. The rules are
those of domain names [RFC 5892, appendix A.1 and A.2], somewhat stricter at the end of a word
[Unicode Standard Annex 31, section 2.3]. A ZWJ also makes one sign of two pictographs, and a
selector (VS16) asks for a pictograph's colours.

Anywhere else they show nothing, so that two texts could look alike and differ.
"""

import unicodedata

ZWNJ, ZWJ, VS16 = "\u200c", "\u200d", "\ufe0f"
JOINERS = frozenset((ZWNJ, ZWJ, VS16))
_VIRAMA = 9  # its canonical combining class
_BLANK_PICTOGRAPH = "\u2800"
_SKIN = range(0x1F3FB, 0x1F400)
# Letters that join both neighbours, and those that join only the one before, by their code points
# in hexadecimal: of Arabic, Syriac, N'Ko, Mongolian and Adlam (Joining_Type D and R of Unicode 14).
_BOTH = (
    "620 626 628 62A-62E 633-63F 641-647 649-64A 66E-66F 678-687 69A-6BF 6C1-6C2 6CC 6CE 6D0-6D1 "
    "6FA-6FC 6FF 712-714 71A-71D 71F-727 729 72B 72D-72E 74E-758 75C-76A 76D-770 772 775-777 "
    "77A-77F 7CA-7EA 886 889-88D 8A0-8A9 8AF-8B0 8B3-8B8 8BA-8C8 1807 1820-1878 1887-18A8 18AA "
    "1E900-1E943"
)
_BEFORE = (
    "622-625 627 629 62F-632 648 671-673 675-677 688-699 6C0 6C3-6CB 6CD 6CF 6D2-6D3 6D5 6EE-6EF "
    "710 715-719 71E 728 72A 72C 72F 74D 759-75B 76B-76C 771 773-774 778-779 870-882 88E 8AA-8AC "
    "8AE 8B1-8B2 8B9"
)


def _letters(spans: str) -> frozenset[str]:
    pairs = (span.split("-") for span in spans.split())
    codes = (range(int(pair[0], 16), int(pair[-1], 16) + 1) for pair in pairs)
    return frozenset(chr(code) for span in codes for code in span)


_JOINS_BOTH = _letters(_BOTH)
_JOINS_BEFORE = _JOINS_BOTH | _letters(_BEFORE)


def joins(text: str, at: int) -> bool:
    """Whether the character of JOINERS at that place shows, given its neighbours."""
    before, after = text[:at][-1:], text[at + 1 :][:1]
    if text[at] == VS16:
        return _is_pictograph(before)
    if before and unicodedata.combining(before) == _VIRAMA:
        kind = unicodedata.category(after)[0] if after else ""
        return kind == "L" if text[at] == ZWNJ else kind != "M"
    if text[at] == ZWNJ:
        return _letter(text, at, -1) in _JOINS_BOTH and _letter(text, at, 1) in _JOINS_BEFORE
    return _is_pictograph(_letter(text, at, -1)) and _is_pictograph(after)


def without(text: str) -> str:
    """The text without any of them, for comparing how texts look."""
    return "".join(c for c in text if c not in JOINERS)


def _letter(text: str, at: int, step: int) -> str:
    """The nearest character that is no mark, no colour and no selector of the one before it."""
    k = at + step
    while 0 <= k < len(text):
        c = text[k]
        if unicodedata.category(c) != "Mn" and ord(c) not in _SKIN and c != VS16:
            return c
        k += step
    return ""


def _is_pictograph(c: str) -> bool:
    return bool(c) and c != _BLANK_PICTOGRAPH and unicodedata.category(c) == "So"
