"""HTML and SVG as text that cannot be broken out of: what is not markup is escaped."""

import html
from collections.abc import Iterable
from typing import TypeAlias

from protocol.words import line

_VOID = frozenset({"meta", "br", "col"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "Markup | str | int | Iterable[Child] | None"


def text(content: str) -> Markup:
    """Anybody's words, escaped, in one line of printable characters."""
    return Markup(html.escape(line(content)))


def element(name: str, *children: Child, **attributes: str | int) -> Markup:
    """An element; a child that is no Markup is escaped, None is left out, and so is "" in
    an attribute.

    Attributes are written with ``_`` for ``-``, and with one at the end where Python has the word.
    """
    said = "".join(
        f' {_attribute(key)}="{text(str(value))}"'
        for key, value in attributes.items()
        if value != ""
    )
    if name in _VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Several pieces one after the other."""
    return Markup("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str | int):
            yield text(str(child))
        else:
            yield from _flat(child)


def _attribute(key: str) -> str:
    return key.removesuffix("_").replace("_", "-")


def table(
    caption: str, labels: Iterable[str], rows: Iterable[Markup], class_: str, number: str = ""
) -> Markup:
    """A table under ``labels``; ``number``: the label of a column of numbers, set to the right."""
    heads = [
        element("th", label, scope="col", class_="number" if label == number else "")
        for label in labels
    ]
    return element(
        "table", element("caption", caption), element("thead", element("tr", heads)),
        element("tbody", rows), class_=class_,
    )  # fmt: skip


def unbroken(content: str) -> Markup:
    """Words that stay on one line."""
    return element("span", content, class_="unbroken")


def css_string(content: str) -> str:
    """A CSS string whatever it holds: all but letters and digits of ASCII as escapes."""
    inner = "".join(
        c if c.isascii() and (c.isalnum() or c == " ") else f"\\{ord(c):x} " for c in line(content)
    )
    return f'"{inner}"'
