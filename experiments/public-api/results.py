"""Results of detectors on worlds, as tables, words and figures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS, new_folder
from scopedrift.reports.metrics import METRICS
from scopedrift.reports.notebook import fragment
from scopedrift.reports.text import fact_texts

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from scopedrift.experiments.tracking import Invocation

MARKER: Final = "run.json"
"""The file that marks a folder of results."""
FINDINGS: Final = 3
"""Number of detectors that a notebook describes in words, in order; the report describes all."""


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """Results of detectors on one world or many, as tables, words and figures.

    Attributes:
        name: The scenario, suite or log.
        tables: All result tables by name (`scopedrift.experiments.evaluation.tables` lists their columns).
        facts: Facts of the run: digests, seeds, detectors, versions.
        terms: Terms of the evaluation: scenario or suite, budget, cooldown.
        parameters: The parameters of each detector.

    Examples:
        >>> import scopedrift as sd
        >>> results = sd.run("tiny", ["first-seen", "rate"], seeds=2)
        >>> sorted(results.table["Detector"])
        ['always', 'first-seen', 'never', 'oracle', 'random', 'rate']
        >>> results.summary.set_index("detector").loc["oracle", "recall"]
        1.0
    """

    name: str
    tables: Mapping[str, pd.DataFrame]
    facts: Mapping[str, object] = field(default_factory=dict)
    terms: Mapping[str, object] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        """The main table as text, each value with its 95 % interval: one row for each scenario and detector."""
        from scopedrift.reports.results import results_frame
        from scopedrift.reports.tables import normalise

        return results_frame(normalise(self.tables))

    @property
    def summary(self) -> pd.DataFrame:
        """Every metric over all worlds, as numbers, with 95 % intervals (`recall`, `recall_low`, `recall_high`)."""
        return self.tables["summary"]

    @property
    def cells(self) -> pd.DataFrame:
        """Every metric of each detector on each world, as numbers."""
        return self.tables["cells"]

    @property
    def incidents(self) -> pd.DataFrame:
        """Each incident and detector: whether and when it was detected, and after how many seconds (`delay_s`)."""
        return self.tables["incidents"]

    @property
    def alerts(self) -> pd.DataFrame:
        """Each alert: identity, times (UTC), score, reason, and its incident, if any."""
        return self.tables["alerts"]

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of one detector on one world, by name; names end in their unit (`_s`: seconds).

        Raises:
            UsageError: The results hold several detectors or worlds.
        """
        if len(self.cells) != 1:
            raise UsageError(
                f"`metrics` needs results of one detector on one world, but these hold {len(self.cells)} runs of"
                f" {self.cells['detector'].nunique()} detectors: use `summary` (over all worlds) or `cells` (each run)"
            )
        return {name: float(self.cells[name].iloc[0]) for name in METRICS}

    @property
    def words(self) -> list[str]:
        """The results in words: the incidents, then each detector, in order."""
        from scopedrift.reports.tables import normalise
        from scopedrift.reports.words import summarise

        data = normalise(self.tables)
        told = [summarise(data.only(scenario), scenario) for scenario in data.scenarios]
        return [text for words in told for text in (words.opening, *(finding.text for finding in words.findings))]

    @property
    def failures(self) -> list[str]:
        """One line for each detector and world without a result, with the reason."""
        failed = self.cells[self.cells["status"] == "failed"].to_dict("records")
        several = self.cells["scenario"].nunique() > 1
        return [
            f"{c['detector']} failed on {c['scenario'] + ', ' if several else ''}seed {c['seed']}: {c['reason']}"
            for c in failed
        ]

    def curve(self, detector: str, scenario: str | None = None) -> pd.DataFrame:
        """The operating curve of a detector: one row for each world and threshold.

        Args:
            detector: Its name in the results.
            scenario: The scenario, if the results hold several.

        Returns:
            Columns `seed`, `threshold`, `false_positives_per_day`, `recall`, `precision` (shares of 1).

        Raises:
            UsageError: The results do not hold that detector or scenario.
        """
        found = self.tables["curves"]
        found = found[found["scenario"] == self._one_of("scenario", scenario)]
        mine = found[found["detector"] == self._one_of("detector", detector)]
        return mine.drop(columns=["scenario", "detector"]).reset_index(drop=True)

    def plot(self, figure: str = "operating-curves", scenario: str | None = None) -> Figure:
        """Draw a figure of the report.

        Args:
            figure: `operating-curves`, `time-to-detect`, `recall-by-incident-kind`, `false-alarms-by-cause`,
                `calendar`, `realised-alarms`, `ablation` or `cost`.
            scenario: The scenario, if the results hold several.

        Returns:
            A matplotlib figure, 7.6 inches wide.

        Raises:
            UsageError: The figure or scenario does not exist, or the results hold nothing to draw.
        """
        from scopedrift.reports.figures import FIGURES, draw

        if figure not in FIGURES:
            raise UsageError(f"no figure {figure!r}: expected one of {', '.join(FIGURES)}")
        drawing = draw(figure, self.tables, self._one_of("scenario", scenario))
        if drawing is None:
            raise UsageError(f"{figure}: these results hold nothing to draw")
        return drawing.figure

    def save(self, folder: str | Path) -> Path:
        """Write the report with its figures, all tables (Parquet, CSV, Markdown, LaTeX) and the facts of the run.

        Replaces earlier results in the folder. An interrupted call leaves no half-written folder.

        Returns:
            The path of the report, one self-contained HTML page.

        Raises:
            UsageError: The folder holds other files.
        """
        with new_folder(Path(folder), MARKER) as place:
            self.write(place)
        return Path(folder) / "report.html"

    def write(self, folder: Path) -> None:
        """Write the files of `save` into an existing folder."""
        from scopedrift.reports import write_report

        (folder / "tables").mkdir(exist_ok=True)
        for name, table in self.tables.items():
            table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
        (folder / MARKER).write_text(json.dumps(self.facts, indent=2) + "\n", encoding="utf-8")
        write_report(self.tables, folder, title=self.name, meta=fact_texts(self.facts))

    def track(
        self, to: str | Path | Invocation = RUNS, *, saved: str | Path | None = None, each_cell: bool = False
    ) -> None:
        """Record the results in MLflow: one parent run, with a child run for each scenario and detector.

        Args:
            to: The folder of the MLflow store, unless `MLFLOW_TRACKING_URI` names another store; or an open run.
            saved: The folder that `save` wrote, to attach its files instead of writing them again.
            each_cell: Also record a run for each world.

        Raises:
            TrackingError: The store cannot be opened or written.
        """
        from scopedrift.experiments.tracking import Invocation, open_tracker

        parent = nullcontext(to) if isinstance(to, Invocation) else open_tracker(Path(to)).invocation(self.name, {}, {})
        with parent as run, tempfile.TemporaryDirectory() if saved is None else nullcontext(str(saved)) as place:
            folder = self.save(Path(place) / "results").parent if saved is None else Path(place)
            run.log_params({name: fact for name, fact in self.facts.items() if name not in ("version", "started")})
            run.log_results(self.tables, params=self.terms, detectors=self.parameters, cells=each_cell)
            run.log_files([folder / "report.html", folder / MARKER])
            run.log_files(sorted((folder / "tables").glob("*.parquet")), "tables")
            run.log_files(sorted((folder / "figures").glob("*.svg")), "figures")

    def _one_of(self, column: str, name: str | None) -> str:
        known = list(dict.fromkeys(self.cells[column]))
        chosen = str(known[0]) if name is None and len(known) == 1 else name
        if chosen is None or chosen not in known:
            asked = f"no {column} {name!r} in the results" if name is not None else f"give the {column}"
            raise UsageError(f"{asked}: expected one of {', '.join(map(str, known))}")
        return chosen

    def __repr__(self) -> str:
        return "\n\n".join([*self.words[: 1 + FINDINGS], self.table.to_string(index=False)])

    def _repr_html_(self) -> str:
        return fragment(self.words[: 1 + FINDINGS], {"": self.table})
