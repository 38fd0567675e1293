"""Reading the YAML files of this package, in a twentieth of the time that `documents.parse` takes.

libyaml composes the nodes, under the rules of YAML 1.2 as for other files.  It dies of what is nested too deeply, so
that only files of our own are read so.  Where it is missing, or refuses a file, `parse` reads that file or says what
is wrong.
"""

from __future__ import annotations

from functools import cache
from importlib.resources.abc import Traversable
from typing import Protocol, cast

from scopedrift.scenarios.documents import Document, Node, document, parse, read_text


class Composer(Protocol):
    """What turns one text into nodes."""

    def __init__(self, text: str) -> None: ...

    def get_single_node(self) -> Node | None:
        """The node that the text is; `None` for an empty one."""


def read_shipped(file: Traversable, source: str) -> Document:
    """The mapping in a file of this package, with the place of every key; keys may be numbers.

    `source` names the file in messages.  Raises `ScenarioError` for anything but one plain mapping.
    """
    text = read_text(file, source)
    node = _composed(text)
    return parse(text, source, number_keys=True) if node is None else document(node, source, number_keys=True)


def _composed(text: str) -> Node | None:
    """The node that a text is, or `None` if libyaml is missing or refuses it."""
    composer = _composer()
    if composer is None:
        return None
    from yaml import YAMLError

    try:
        return composer(text).get_single_node()
    except YAMLError:
        return None


@cache
def _composer() -> type[Composer] | None:
    """A composer of libyaml with the rules of YAML 1.2, or `None`; PyYAML comes with Dask."""
    try:
        from yaml._yaml import CParser
        from yaml.resolver import BaseResolver
    except ImportError:
        return None
    from ruamel.yaml.resolver import implicit_resolvers

    class OfLibyaml(CParser, BaseResolver):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            BaseResolver.__init__(self)

    for versions, tag, pattern, first in implicit_resolvers:
        if (1, 2) in versions:
            OfLibyaml.add_implicit_resolver(tag, pattern, first)
    return cast(type[Composer], OfLibyaml)
