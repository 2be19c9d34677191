"""HTML that cannot be broken by what it shows: text is escaped unless it was built here."""

from __future__ import annotations

import html
from collections.abc import Iterable

_VOID = frozenset({"meta", "img", "input", "br"})


class Markup(str):
    """A piece of finished HTML."""

    __slots__ = ()


Content = str | int | Iterable["Content"] | None


def element(name: str, /, *content: Content, **attributes: str | int | float | None) -> Markup:
    """One element.

    Parameters
    ----------
    name : str
    content : str, int, Markup, or iterables of these
        Plain text is escaped, ``Markup`` is not; None is left out.
    attributes : str or number
        Escaped; None is left out. ``class_`` stands for ``class``, and underscores for hyphens.
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{words}>")
    return Markup(f"<{name}{words}>{joined(content)}</{name}>")


def joined(content: Content) -> Markup:
    """Pieces put together, plain text escaped."""
    if content is None:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, (str, int)):
        return Markup(_escaped(str(content)))
    return Markup("".join(joined(part) for part in content))


def _escaped(text: str) -> str:
    # File names may hold bytes that are no Unicode; such a page could not be written.
    return html.escape(text.encode("utf-8", "replace").decode("utf-8"))
