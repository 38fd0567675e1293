"""Peer groups from names: identities are of one kind if their names differ only in numbers and ids."""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"[0-9a-f]{8,}|\d+", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-_.:@]+$|(?<=[-_.:@])[-_.:@]+")


def stem(identity: str) -> str:
    """The kind that a name suggests: its last segment without numbers and ids, or the segment before.

    >>> stem("spiffe://acme.example/ns/vision/sa/trainer-17"), stem("spiffe://acme.example/task/0b5e33f1c2")
    ('trainer', 'task')
    """
    for segment in reversed(identity.split("/")):
        kind = _SEPARATORS.sub("", _VARIABLE.sub("", segment)).strip("-_.:@")
        if kind:
            return kind
    return ""


def container(resource: str) -> str:
    """The container of a resource: its path without the last segment (a resource without a path is its own).

    >>> container("s3://data/2026/01/part-0"), container("model-registry")
    ('s3://data/2026/01', 'model-registry')
    """
    head, slash, _ = resource.rstrip("/").rpartition("/")
    return head if slash and not head.endswith("/") else resource
