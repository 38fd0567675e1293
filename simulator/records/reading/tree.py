"""Finding things in the bodies of records: a path, a text, the container image of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

IMAGES: Final = ("image", "imageUri", "trainingImage")
MACHINE_IMAGES: Final = "ec2.amazonaws.com/"
"""Registry given to machine images (`ami-...`), which name none."""
_MACHINE: Final = re.compile(rb'"imageId"\s*:\s*"([^"]+)"')
_DEPTH: Final = 12
_NODES: Final = 20_000


def text(value: Any) -> str | None:
    """`value` if it is text, a number as text, None for all else (and for empty text)."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def child(value: Any, key: str) -> Any:
    """`value[key]` of an object, or None."""
    return value.get(key) if isinstance(value, dict) else None


def first(value: Any) -> Any:
    """The first element of a list that has one, or None."""
    return value[0] if isinstance(value, list) and value else None


def at(value: Any, path: str) -> Any:
    """What is at a dotted path (`user.name`, `sourceIPs.-1`), or None.  A key that has dots itself is found too."""
    if isinstance(value, dict) and path in value:
        return value[path]
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.lstrip("-").isdecimal():
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def first_text(value: Any, paths: Iterable[str]) -> str | None:
    """The first of `paths` that holds text."""
    for path in paths:
        found = text(at(value, path))
        if found is not None:
            return found
    return None


def image_in(raw: bytes, body: Any) -> str | None:
    """What `image_of` says of a body, most of which need not be searched if its JSON text is at hand."""
    if b"\\u" in raw or b'mage"' in raw or b'mageUri"' in raw:
        return image_of(body)
    if b"imageId" in raw:  # with no letter escaped, what looks like a key is one
        machines = set() if b"\\" in raw else set(_MACHINE.findall(raw))
        return MACHINE_IMAGES + machines.pop().decode() if len(machines) == 1 else image_of(body)
    return None


def image_of(body: Any) -> str | None:
    """The image that a request would run: the first container's, a function's, or a machine image."""
    machine = None
    queue = [(body, 0)]
    for visited, (node, depth) in enumerate(queue):
        if visited > _NODES:
            break
        if isinstance(node, dict):
            for key in IMAGES:
                found = node.get(key)
                if isinstance(found, str) and found:
                    return found
            patched = node.get("value")
            if str(node.get("path", "")).endswith("/image") and isinstance(patched, str) and patched:
                return patched  # a JSON patch
            found = node.get("imageId")
            if machine is None and isinstance(found, str) and found:
                machine = MACHINE_IMAGES + found
        if depth < _DEPTH and isinstance(node, (dict, list)):
            children = node.values() if isinstance(node, dict) else node
            queue.extend((item, depth + 1) for item in children if isinstance(item, (dict, list)))
    return machine
