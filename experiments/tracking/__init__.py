"""Runs and their results in MLflow.

One parent run per invocation, below it one run per scenario and detector with the estimate and the interval over seeds
(`recall`, `recall_low`, `recall_high`), and below that one run per cell where asked for.  Operating curves are stepped
metrics on one grid of false alarms per day, so that step 7 means the same budget in every run:
`curve/false_positives_per_day`, `curve/recall`, `curve/precision`.

Import `open_tracker` (before anything runs in parallel: the parent process alone writes), and what it returns.
Tracking knows result tables, not how they were made; nothing else knows MLflow.
"""

from scopedrift.experiments.tracking.entries import BUDGETS, combined_digest
from scopedrift.experiments.tracking.errors import TrackingError, masked
from scopedrift.experiments.tracking.runs import Invocation, Tracker
from scopedrift.experiments.tracking.store import database_of, open_tracker, quiet_environment, tracking_uri

__all__ = [
    "BUDGETS",
    "Invocation",
    "Tracker",
    "TrackingError",
    "combined_digest",
    "database_of",
    "masked",
    "open_tracker",
    "quiet_environment",
    "tracking_uri",
]
