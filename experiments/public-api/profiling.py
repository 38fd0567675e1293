"""Profiling: the platform behind a real log, and a simulated twin of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.folders import write_file
from scopedrift.experiments.progress import Progress, silent
from scopedrift.logs import Log, log_of
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.documents import Plain, write
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.own_logs.profile import learn, twin
from scopedrift.worlds import World

if TYPE_CHECKING:
    import pandas as pd

PROFILE_MARK: Final = "profile: 1\nstatistics:"
TWIN_MARK: Final = "A twin of a log, made by scopedrift."
"""What tells profiles and twins from other files."""


@dataclass(frozen=True, eq=False, repr=False)
class LogProfile:
    """What a log shows of its platform.

    Attributes:
        found: The whole profile: `statistics` by name, `kinds` of identities, delays of streams.
    """

    found: learn.Profile

    @property
    def identities(self) -> pd.DataFrame:
        """One row for each identity, busiest first: its guessed kind, the family like it, and its habits."""
        import pandas as pd

        return pd.DataFrame([asdict(each) for each in self.found.identities])

    def save(self, file: str | Path, *, names: bool = False) -> Path:
        """Write the profile to a YAML file; with `names`, the names of identities too. Returns its path."""
        return write_file(Path(file), self.found.text(names=names), mark=PROFILE_MARK)

    def twin(self, name: str, *, progress: Progress = silent) -> Twin:
        """Make a scenario that simulates a platform like this one.

        Args:
            name: Name of the scenario.
            progress: Called with the share done (0 to 1) and the current step; `print` works.

        Raises:
            LogError: The log is too short or has too few events.
        """
        scenario, plain, simulated = twin.twin(self.found, name, progress)
        return Twin(scenario, plain, tuple(twin.compare(self.found.statistics, simulated)), self)

    def _repr_html_(self) -> str:
        return fragment([], {"Identities": self.identities})


@dataclass(frozen=True, eq=False, repr=False)
class Twin:
    """A scenario that simulates the platform of a log, compared with the log.

    Attributes:
        scenario: The scenario, for `simulate`, `run` and `tune`.
        plain: The contents of its file.
        rows: The statistics of the log and of the twin side by side.
        profile: The profile that it was made from.
    """

    scenario: Scenario
    plain: Plain
    rows: tuple[twin.Compared, ...]
    profile: LogProfile

    @property
    def table(self) -> pd.DataFrame:
        """One row for each statistic: `original`, `twin`, `distance` and `verdict` (`alike` or `differs`)."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    @property
    def words(self) -> str:
        """How close the twin is, in a sentence."""
        differs = [row.name for row in self.rows if row.verdict == "differs"]
        text = f"The twin matches the log in {len(self.rows) - len(differs)} of {len(self.rows)} statistics"
        return text + (f"; it differs in {', '.join(differs)}." if differs else ".")

    def save(self, file: str | Path, *, names: bool = False) -> Path:
        """Write the scenario to a YAML file, with the comparison as comments. Returns its path.

        With `names`, comments also name the identity behind each workload.
        """
        head = [f"# {TWIN_MARK}"]
        head += [f"# {row.name}: {row.original} in the log, {row.twin} here ({row.verdict})" for row in self.rows]
        if names:
            head += [f"# {each.family} stands for {each.name!r}" for each in self.profile.found.identities]
        return write_file(Path(file), "\n".join([*head, write(self.plain)]), mark=TWIN_MARK)

    def _repr_html_(self) -> str:
        return fragment([self.words], {"": self.table})


def profile(log: Log | World | str | Path, *, progress: Progress = silent) -> LogProfile:
    """Profile the platform behind a log: identities, workload kinds, operations, active hours, novelty.

    Args:
        log: What `read_log` or `simulate` returned, or a path.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        LogError: The log holds no events, or no event has an identity.

    Examples:
        >>> import scopedrift as sd
        >>> found = sd.profile(sd.simulate("tiny", seed=0))
        >>> sum(found.found.kinds.values()) == len(found.identities) == found.found.statistics["identities"]
        True
    """
    return LogProfile(learn.learn(log_of(log, progress).log))
