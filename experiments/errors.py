"""What a caller asked for and cannot have."""

from __future__ import annotations


class UsageError(ValueError):
    """Something was asked for that makes no sense, such as two options that exclude each other; the text says why."""
