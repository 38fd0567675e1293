"""The names of an organisation: its company, its projects and what they hold.

The Faker library names things here and nowhere else, from the seed.
"""

from __future__ import annotations

import threading
from typing import Final

from faker import Faker

from scopedrift.scenarios.catalogue import Surroundings
from scopedrift.simulator.expansion.tables import Tables
from scopedrift.simulator.randomness import Quantiles, generator, key
from scopedrift.simulator.world.workload import Project

DISCIPLINES: Final = ("ml", "ai", "data", "research", "platform")
"""What the name of a team ends with."""
OUTSIDE: Final = 40
"""Addresses on the Internet that ordinary callers use (assumed)."""


_THREAD = threading.local()


def _faker() -> Faker:
    """This thread's Faker, which has named nothing yet: making one takes longer than naming an organisation."""
    fake: Faker | None = getattr(_THREAD, "fake", None)
    if fake is None:
        fake = _THREAD.fake = Faker()
    fake.unique.clear()
    return fake


def other_protocol(address: str) -> str:
    """The IPv6 address of a node with an IPv4 address."""
    _, network, high, low = (f"{int(part):x}" for part in address.split("."))
    return f"fd00:{network}:{high}::{low}"


class Naming:
    """Names one organisation; what is named first is drawn first."""

    def __init__(self, seed: int, domain: str | None) -> None:
        """`domain` replaces the one that follows from the company's name."""
        self._seed = seed
        self._fake = _faker()
        self._fake.seed_instance(key(seed, "names"))
        name = self._fake.unique.last_name().lower().replace("'", "").replace(" ", "-")
        self.company = "".join(c for c in name if c.isalnum() or c == "-")
        self.domain = domain or f"{self.company}.example"

    def _word(self) -> str:
        word: str = self._fake.word()
        return word.lower()

    def outside(self) -> list[str]:
        """Addresses on the Internet."""
        return [self._fake.unique.ipv4_public() for _ in range(OUTSIDE)]

    def project(self, tables: Tables, number: int, holds: Surroundings, load: float) -> Project:
        """A project with its resources; `load` below 1 makes its datasets smaller."""
        team = f"{self._word()}-{self._fake.random_element(DISCIPLINES)}"
        name = f"{team}-{number:02d}"
        account = f"{self._fake.random_number(digits=12, fix_len=True)}"
        datasets = [tables.pool(parts, name) for parts in self._datasets(name, number, holds, load)]
        secrets = [f"secret:{name}/{self._word()}-{k}" for k in range(holds.secrets_per_project)]
        database = name.replace("-", "_")
        named = {
            "account": [f"arn:aws:iam::{account}:root"],
            "namespace": [f"namespace/{name}"],
            "audience": [f"aud:{name}.{self.domain}"],
            "metadata": ["169.254.169.254"],
            "role": [f"arn:aws:iam::{account}:role/{name}-workloads"],
            "keyring": [f"key/{name}-{k}" for k in range(2)],
            "cluster": [f"cluster/{name}"],
            "secret": secrets,
            "table": [f"{database}.{self._word()}_{k}" for k in range(holds.tables_per_project)],
            "llm": [f"foundation-model/{size}-text-{v}" for size in ("large", "small") for v in (1, 2)],
            "peer": [f"{self._word()}.{self.domain}:443" for _ in range(6)],
            "package": [f"pkg:{self._word()}" for _ in range(30)],
            "repository": [f"git:{self.company}/{name}-{self._word()}" for _ in range(5)],
        }
        nodes = [f"10.{number % 250}.{k // 250}.{k % 250 + 2}" for k in range(holds.nodes_per_project)]
        return Project(
            name=name,
            account=account,
            team=team,
            pools={slot: tables.pool(texts, name) for slot, texts in named.items()},
            datasets=datasets,
            nodes=tables.addresses(nodes),
        )

    def _datasets(self, project: str, number: int, holds: Surroundings, load: float) -> list[list[str]]:
        """The parts of each dataset of a project."""
        rng = generator(self._seed, "project", number)
        shards = Quantiles.of(holds.shards_per_dataset)
        datasets = []
        for d in range(holds.datasets_per_project):
            count = max(int(shards(rng.random()) * min(load, 1.0)), 2)
            label = f"{self._word()}-v{rng.integers(1, 6)}-{d}"
            datasets.append([f"s3://{self.company}-{project}-data/{label}/part-{k:04d}" for k in range(count)])
        return datasets
