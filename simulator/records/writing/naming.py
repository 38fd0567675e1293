"""Identifiers in a provider's own style, one to one with the log's texts.

A simulated log names things plainly (`spiffe://acme.example/ns/vision/sa/train`, credential `6eb54b01740a97e2`);
a record needs account numbers, role names, access key ids and UUIDs.  All of them are derived from the log's digest
and the text, so that an export is repeatable, reveals nothing about truth, and two texts never share a name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, TypeVar

from scopedrift.simulator.log.event_log import EventLog

MEMO: Final = 1_024
"""Maximum entries of a cache; the oldest then makes room, so that memory stays the same."""
_VARIANTS: Final = {digit: "89ab"[number % 4] for number, digit in enumerate("0123456789abcdef")}
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 8
REGIONS: Final = ("eu-west-1", "eu-west-1", "eu-west-1", "us-east-1", "us-west-2")
"""Where projects are; the first is chosen by most (assumed)."""
_PREFIXES: Final = ("endpoint", "queue", "features", "function", "key", "cluster", "namespace", "foundation-model")
_SPIFFE: Final = re.compile(r"spiffe://[^/]+/ns/(?P<namespace>[^/]+)/sa/(?P<account>[^/]+)$")
_OWNED: Final = re.compile(r"arn:aws:iam::(\d{12}):role/(.+)-workloads$")
_PULLED: Final = re.compile(r"(\d{12})\.dkr\.ecr\.[^/]+/([^/]+)/")
_ACCOUNT: Final = re.compile(r"\d{12}", re.ASCII)
_NOT_ALLOWED: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_NOT_LABEL: Final = re.compile(r"[^a-z0-9-]+")


K = TypeVar("K")
V = TypeVar("V")


class ExportNames:
    """The names of one export: the same for the same `salt`.

    `texts` are resources and images; account numbers that they show are used.
    """

    def __init__(self, salt: str, texts: Iterable[str] = ()) -> None:
        self._salt = salt.encode()[:32]
        self._names: dict[tuple[str, str], str] = {}
        self._keys: dict[tuple[str, tuple[object, ...]], str] = {}
        self._taken: set[tuple[str, str]] = set()
        for text in texts:
            owner = _OWNED.match(text) or _PULLED.match(text)
            if owner:  # the simulated world has account numbers of its own
                self._keep("account", owner[2], owner[1])

    @classmethod
    def of(cls, log: EventLog) -> ExportNames:
        """The names of a log."""
        return cls(log.digest, (*log.vocabulary["resource"], *log.vocabulary["image"]))

    def digest(self, *parts: object) -> bytes:
        """16 bytes of this log for some parts."""
        return hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=16, key=self._salt).digest()

    def block(self, kind: str, number: int) -> bytes:
        """64 bytes of this log for the record of an event: enough for all that is random in it."""
        return hashlib.blake2b(b"%b %d" % (kind.encode(), number), digest_size=64, key=self._salt).digest()

    def number(self, *parts: object) -> int:
        """A number below 2**64 of this log for some parts."""
        return int.from_bytes(self.digest(*parts)[:8])

    def uuid(self, *parts: object) -> str:
        """A random-looking UUID (version 4)."""
        return uuid_of(self.digest(*parts))

    def key_id(self, prefix: str, *parts: object) -> str:
        """An identifier as AWS makes them: a prefix of four letters and 17 of base 32 (16 for access keys)."""
        return self._keys.get((prefix, parts)) or remember(self._keys, (prefix, parts), self.once(prefix, *parts))

    def once(self, prefix: str, *parts: object) -> str:
        """The same identifier, of parts that are not asked for again."""
        data = repr((prefix, *parts)).encode("utf-8", "replace")
        size = 16 if prefix in ("AKIA", "ASIA") else 17
        return prefix + letters(hashlib.blake2b(data, digest_size=17, key=self._salt).digest())[:size]

    def account(self, project: str | None) -> str:
        """The number of the account that a project is."""
        project = project or ""
        number = project if _ACCOUNT.fullmatch(project) else self._account_number(project)
        return self._names.get(("account", project)) or self._keep("account", project, number)

    def region(self, project: str | None) -> str:
        """The region that a project is in."""
        known = self._names.get(("region", project or ""))
        if known is None:
            known = REGIONS[self.number("region", project or "") % len(REGIONS)]
            self._names["region", project or ""] = known
        return known

    def named(self, kind: str, text: str, base: str | None = None, limit: int = 64) -> str:
        """A name of letters, digits and `_.-` for a text, other than that of any other text of its kind.

        It starts from `base`, the informative part of the text, if given.
        """
        known = self._names.get((kind, text))
        return known or self._keep(kind, text, _NOT_ALLOWED.sub("-", base or text).strip("-")[:limit] or kind)

    def label(self, kind: str, text: str, base: str | None = None, limit: int = 63) -> str:
        """A DNS label for a text, other than that of any other text of its kind."""
        known = self._names.get((kind, text))
        plain = _NOT_LABEL.sub("-", (base or text).lower()).strip("-")[:limit].strip("-")
        return known or self._keep(kind, text, plain or kind)

    def _account_number(self, *parts: str) -> str:
        return str(10**11 + self.number("account", *parts) % (9 * 10**11))

    def _keep(self, kind: str, text: str, name: str) -> str:
        turn = 0
        chosen = name
        while (kind, chosen) in self._taken:
            turn += 1
            mark = self.digest(kind, text, turn).hex()[:8]
            chosen = self._account_number(text, mark) if kind == "account" else f"{name[:54]}-{mark}"
        self._taken.add((kind, chosen))
        self._names[kind, text] = chosen
        return chosen


def letters(data: bytes) -> str:
    """Bytes as capital letters and the digits 2 to 7, one of each."""
    return data.translate(_LETTERS).decode()


def uuid_of(data: bytes) -> str:
    """16 bytes as a UUID of version 4."""
    return uuid_text(data.hex())


def uuid_text(digits: str) -> str:
    """32 hexadecimal digits as a UUID of version 4."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


def remember(cache: dict[K, V], key: K, value: V) -> V:
    """Keep a value in a cache of bounded size; the value."""
    if len(cache) >= MEMO:
        del cache[next(iter(cache))]
    cache[key] = value
    return value


def telling(resource: str) -> str:
    """The part of a resource's text that a record would show: `queue/jobs-1` gives `jobs-1`."""
    head, slash, rest = resource.partition("/")
    if resource.startswith("s3://") or "/jobs/" in resource:
        return resource.rstrip("/").rpartition("/")[2]
    if head.startswith("secret:"):
        return resource.removeprefix("secret:")
    return rest if slash and head in _PREFIXES else resource


def service_account(identity: str) -> tuple[str | None, str]:
    """Namespace and account of a SPIFFE ID (`spiffe://domain/ns/NAMESPACE/sa/ACCOUNT`); None and the text of others."""
    found = _SPIFFE.match(identity)
    return (found["namespace"], found["account"]) if found else (None, identity)
