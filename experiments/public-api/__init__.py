"""Measure which scope-drift detectors for AI workload identities work, how early, and at what cost in false alarms.

    import scopedrift as sd

    world = sd.simulate("quickstart", seed=0)              # events with ground truth
    sd.evaluate("first-seen", world).metrics["recall"]     # one detector on one world

The functions:

- `scenarios()` and `detectors()` list names; `load_scenario` reads a scenario.
- `simulate` makes a world; `evaluate` judges one detector on it, `run` several on many worlds, `sweep` a whole suite.
- `judge` judges the alerts that another system raised on a world's records.
- `tune` searches parameters and a threshold for an alert budget; `gate` says whether a detector has become worse.
- `check` tests a detector against the contract, `audit` a scenario for flaws; `realism` compares worlds or a log with
  real platforms; `reproduce` measures published results.
- `read_log` reads your own audit records; `score` ranks what stands out in them, `inject` adds incidents,
  `profile` describes the platform, and `export` writes a log as records.

The classes: derive your own detectors from `Detector`; their methods get an `EventBatch`; `load_scenario` returns a
`Scenario`.

A notebook displays results; they also have `table`, `words`, `plot` and `save`. `scopedrift.detectors` and
`scopedrift.scenarios` are both functions and packages.

Names load on first use: `import scopedrift` itself imports no other package.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from scopedrift.alerts import score as score
    from scopedrift.comparing import realism as realism
    from scopedrift.detectors.base import Detector as Detector
    from scopedrift.detectors.loading import summaries as detectors
    from scopedrift.examining import audit as audit
    from scopedrift.examining import check as check
    from scopedrift.gating import gate as gate
    from scopedrift.injection import inject as inject
    from scopedrift.judging import evaluate as evaluate
    from scopedrift.judging import judge as judge
    from scopedrift.judging import run as run
    from scopedrift.judging import sweep as sweep
    from scopedrift.logs import export as export
    from scopedrift.logs import read_log as read_log
    from scopedrift.profiling import profile as profile
    from scopedrift.reproducing import reproduce as reproduce
    from scopedrift.scenarios.loader import descriptions as scenarios
    from scopedrift.scenarios.loader import load as load_scenario
    from scopedrift.scenarios.schema import Scenario as Scenario
    from scopedrift.simulator.log.events import EventBatch as EventBatch
    from scopedrift.tuning import tune as tune
    from scopedrift.worlds import simulate as simulate

    __version__: str
else:
    _PLACES = {
        "Detector": "detectors.base:Detector",
        "EventBatch": "simulator.log.events:EventBatch",
        "Scenario": "scenarios.schema:Scenario",
        "load_scenario": "scenarios.loader:load",
        "audit": "examining:audit",
        "check": "examining:check",
        "evaluate": "judging:evaluate",
        "export": "logs:export",
        "gate": "gating:gate",
        "inject": "injection:inject",
        "judge": "judging:judge",
        "profile": "profiling:profile",
        "read_log": "logs:read_log",
        "realism": "comparing:realism",
        "reproduce": "reproducing:reproduce",
        "run": "judging:run",
        "score": "alerts:score",
        "simulate": "worlds:simulate",
        "sweep": "judging:sweep",
        "tune": "tuning:tune",
    }
    """Where each name is defined; a name without a place is a callable package."""

    def __getattr__(name):
        """Load one of the public names."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        if name == "__version__":
            from importlib.metadata import version

            found = version(__name__)
        else:
            from importlib import import_module

            module, _, member = _PLACES.get(name, name).partition(":")
            found = import_module(f"{__name__}.{module}")
            found = getattr(found, member) if member else found
        globals()[name] = found
        return found

    def __dir__():
        """The public names, loaded or not."""
        return sorted({*globals(), *__all__})


__all__ = [
    "Detector",
    "EventBatch",
    "Scenario",
    "__version__",
    "audit",
    "check",
    "detectors",
    "evaluate",
    "export",
    "gate",
    "inject",
    "judge",
    "load_scenario",
    "profile",
    "read_log",
    "realism",
    "reproduce",
    "run",
    "scenarios",
    "score",
    "simulate",
    "sweep",
    "tune",
]
