"""The profile of a log: its statistics, its identities and their families in a twin, as readable YAML.

Names of identities become numbers unless asked for; operations, services and hours are not secret.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.documents import Plain, write
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.own_logs.profile.kinds import Habits, habits
from scopedrift.simulator.own_logs.profile.statistics import Columns, Statistics, days_of, statistics
from scopedrift.simulator.records.errors import LogError


@dataclass(frozen=True)
class Profile:
    """The profile of a platform."""

    statistics: Statistics
    delays_s: dict[str, float]
    """Median seconds to arrival, by stream."""
    data_events: bool
    """Whether its cloud audit log records access to data."""
    images: bool
    """Whether any record names an image."""
    projects: int
    first_us: int
    """When its first event happened."""
    identities: tuple[Habits, ...]

    @property
    def kinds(self) -> dict[str, int]:
        """How many identities there are of each kind."""
        return dict(Counter(each.kind for each in self.identities).most_common())

    def plain(self, *, names: bool) -> Plain:
        """As a file holds it."""
        people = [
            {**asdict(each), "name": each.name if names else f"identity-{i}"}
            for i, each in enumerate(self.identities, 1)
        ]
        about = {name: getattr(self, name) for name in ("delays_s", "data_events", "images", "projects", "kinds")}
        return {"profile": 1, "statistics": dict(self.statistics), **about, "identities": people}

    def text(self, *, names: bool) -> str:
        """YAML."""
        return write(self.plain(names=names))


def learn(log: EventLog) -> Profile:
    """The profile of a log.

    Raises `LogError` if no record has an identity.
    """
    columns = Columns(log)
    if not len(columns):
        raise LogError("no record in the log has an identity, so there is nothing to profile")
    late = columns["arrived"] - columns["time"]
    stream, project, image = columns["stream"], columns["project"], columns["image"]
    texts = columns.vocabulary["stream"]
    pairs = np.unique(columns["service"].astype(np.int64) << 32 | columns["operation"])
    services, operations = columns.vocabulary["service"], columns.vocabulary["operation"]
    called = {(services[pair >> 32], operations[pair & 0xFFFFFFFF]) for pair in pairs[pairs >= 0].tolist()}
    recorded = {(each.service, each.operation) for each in catalogue.operations().values() if each.data_event}
    return Profile(
        statistics=statistics(log),
        delays_s={
            texts[code]: round(float(np.median(late[stream == code])) / 1e6, 3)
            for code in np.unique(stream[stream >= 0]).tolist()
        },
        data_events=bool(called & recorded),
        images=bool((image >= 0).any()),
        projects=max(len(np.unique(project[project >= 0])), 1),
        first_us=int(columns["time"].min()),
        identities=tuple(habits(columns, days_of(columns))),
    )
