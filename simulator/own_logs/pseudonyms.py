"""Pseudonyms: keyed hashes replace names consistently, so that a log can be shared.

Words between separators are replaced one by one, so that ARNs stay ARNs and paths paths: digits by as many digits, an
IP address by one of 10.0.0.0/8, hexadecimal by hexadecimal.  Words that say what a thing is (`arn`, `role`,
`system`, ...), provider services, operations and services stay.  Ids of credentials and tasks are hashed as well.
Without the key, pseudonyms cannot be reversed or guessed; equal names remain recognisable as equal.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from typing import Final

import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import OPAQUE, Array, Vocabulary

NAMES: Final = ("identity", "workload", "on_behalf_of", "resource", "project", "image", "source")
"""Columns whose texts are names."""
_KEPT: Final = (
    "arn aws aws-cn aws-us-gov iam sts s3 ec2 kms ssm lambda ecr ecs eks sns sqs dynamodb secretsmanager user users"
    " role roles root group policy instance key alias secret bucket table function assumed-role federated-user"
    " system serviceaccount serviceaccounts node nodes anonymous pods jobs cronjobs deployments daemonsets secrets"
    " configmaps namespaces services default kube-system kube-public projects spiffe ns sa http https com io org net"
    " gserviceaccount internal amazonaws"
)
KEPT: Final = frozenset(_KEPT.split())
"""Words that say what a thing is, not whose it is."""
_PROVIDER: Final = re.compile(r"[a-z0-9-]+\.amazonaws\.com(\.cn)?|AWS Internal")
"""Services of the provider; a longer host, such as that of a database, has names of its customer in it."""
_IP: Final = re.compile(r"^\d{1,3}(\.\d{1,3}){3}$")
_WORD: Final = re.compile(r"[^\s:/@.,=|]+")
_REGION: Final = re.compile(r"^[a-z]{2}(-gov)?-[a-z]+-\d[a-z]?$")


def pseudonymised(log: EventLog, key: str) -> EventLog:
    """The same log under other names; not that of its truth or of its original records."""
    secret = hashlib.blake2b(key.encode()).digest()
    texts = log.vocabulary.texts()
    texts |= {column: list(_distinct(texts[column], secret)) for column in NAMES}
    batch = log.batch(0, len(log))
    columns = {
        name: _rehashed(values, secret) if name in OPAQUE else np.asarray(values)
        for name, values in batch.columns.items()
    }
    manifest = {name: value for name, value in log.manifest.items() if name not in ("digest", "background")}
    return EventLog.from_columns(columns, Vocabulary(texts), manifest)


def pseudonym(text: str, secret: bytes) -> str:
    """What stands for one name under a secret (at most 64 bytes)."""
    if _PROVIDER.fullmatch(text):
        return text
    if _IP.match(text):
        a, b, c = _hash(text, secret)[:3]
        return f"10.{a}.{b}.{c}"
    return _WORD.sub(lambda found: _word(found[0], secret), text)


def _word(word: str, secret: bytes) -> str:
    if word.lower() in KEPT or _REGION.match(word) or word in ("*", "-"):
        return word
    digest = _hash(word, secret)
    if word.isdigit():
        return str(int.from_bytes(digest[:16]) % 10 ** len(word)).zfill(len(word))
    if len(word) >= 8 and re.fullmatch(r"[0-9a-f-]+", word):
        fresh = iter(digest.hex())
        return "".join("-" if letter == "-" else next(fresh, "0") for letter in word)
    return base64.b32encode(digest[:5]).decode().lower()


def _distinct(texts: list[str], secret: bytes) -> Iterator[str]:
    """Pseudonyms of all texts; a suffix distinguishes those that would coincide (short numbers)."""
    taken: set[str] = set()
    for text in texts:
        word = pseudonym(text, secret)
        while word in taken:
            word += "-" + base64.b32encode(_hash(text + word, secret)[:3]).decode().lower().rstrip("=")
        taken.add(word)
        yield word


def _hash(text: str, secret: bytes) -> bytes:
    return hashlib.blake2b(text.encode(), key=secret, digest_size=32).digest()


def _rehashed(ids: Array, secret: bytes) -> Array:
    """Other ids of 63 bits; missing ones stay missing."""
    known, where = np.unique(ids, return_inverse=True)
    fresh = [i if i < 0 else int.from_bytes(_hash(str(i), secret)[:8]) >> 1 for i in known.tolist()]
    return np.array(fresh, np.int64)[where]
