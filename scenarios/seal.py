"""Sealed worlds: worlds whose seeds follow from a secret, so that nobody can develop a detector on them.

A seal is a file with a secret.  World number n has the seed that a keyed hash makes of n.  Results show numbers instead
of seeds, and the hash of the secret: it commits to the worlds without giving them away.  Once the file is published,
everybody can make the same worlds again and compare their digests with the table `worlds`.

Seeds have 52 bits: nobody simulates so many worlds to find one by its history.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from scopedrift.scenarios.documents import Problem, ScenarioError
from scopedrift.scenarios.seeds import described, parse_seeds

LEAST: Final = 32
"""Characters of a secret, at least: a shorter one could be guessed from its hash."""
BITS: Final = 52
_PURPOSE: Final = b"scopedrift seal 1"


@dataclass(frozen=True)
class Seal:
    """A secret, and the worlds that follow from it."""

    secret: bytes

    @classmethod
    def read(cls, path: Path) -> Self:
        """The seal in a file.

        Raises `ScenarioError` if its secret is too short, `OSError` if the file cannot be read.
        """
        secret = path.read_bytes().strip()
        if len(secret) < LEAST:
            problem = f"{path}: a secret of {len(secret)} characters; expected at least {LEAST} (see `seal new`)"
            raise ScenarioError(Problem(problem))
        return cls(secret)

    @classmethod
    def new(cls) -> Self:
        """A seal that nobody has seen."""
        return cls(secrets.token_hex(LEAST).encode())

    @property
    def text(self) -> str:
        """What a file holds that `read` reads."""
        return self.secret.decode() + "\n"

    @property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) that results publish."""
        return hashlib.sha256(_PURPOSE + self.secret).hexdigest()

    def seed(self, number: int) -> int:
        """The seed of a world, by its number."""
        key = hashlib.sha256(b"seeds" + self.secret).digest()
        digest = hashlib.blake2b(str(number).encode(), key=key, digest_size=8).digest()
        return 1 << BITS | int.from_bytes(digest, "little") >> (64 - BITS)

    def seeds(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """The seeds of several worlds."""
        return tuple(self.seed(number) for number in numbers)

    def worlds(self, numbers: object) -> SealedWorlds:
        """Worlds by their numbers: a count, a text such as `0-11`, or a list.

        Raises `ValueError` for anything else.
        """
        return SealedWorlds(self, parse_seeds(numbers))


@dataclass(frozen=True)
class SealedWorlds:
    """Worlds that follow from a secret, by their numbers."""

    seal: Seal
    numbers: tuple[int, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the worlds."""
        return self.seal.seeds(self.numbers)

    @property
    def facts(self) -> dict[str, object]:
        """What results say of their worlds."""
        return {"seeds": list(self.numbers), "worlds": described(self.numbers, "sealed"), "seal": self.seal.hash}
