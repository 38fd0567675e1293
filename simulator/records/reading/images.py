"""The container or machine image that the body of a request would run."""

from __future__ import annotations

import re
from typing import Final

from scopedrift.simulator.records.json_paths import Json, decoded

IMAGES: Final = ("image", "imageUri", "trainingImage")
MACHINE_IMAGES: Final = "ec2.amazonaws.com/"
"""Registry given to machine images (`ami-...`), which name none."""
_MACHINE: Final = re.compile(rb'"imageId"\s*:\s*"([^"]+)"')
_DEPTH: Final = 12
_NODES: Final = 20_000


def image_in(raw: bytes, body: Json) -> str | None:
    """What `image_of` says of a body, most of which need not be searched if its JSON text is at hand."""
    if b"\\u" in raw or b'mage"' in raw or b'mageUri"' in raw:
        return image_of(body)
    if b"imageId" in raw:  # with no letter escaped, what looks like a key is one
        machines = set() if b"\\" in raw else set(_MACHINE.findall(raw))
        return MACHINE_IMAGES + machines.pop().decode() if len(machines) == 1 else image_of(body)
    return None


def image_of(body: Json) -> str | None:
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
            children = map(decoded, node.values() if isinstance(node, dict) else node)
            queue.extend((item, depth + 1) for item in children if isinstance(item, (dict, list)))
    return machine
