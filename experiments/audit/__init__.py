"""The benchmark examines itself: is a scenario worth measuring detectors on?

Each row of an audit is one flaw that other benchmarks were found to have (leaked labels, trivial incidents, unrealistic
density, late onsets, mislabels, look-ahead, false verdicts, attacks without a benign look-alike, references out of
range).  A row is a small named function over a `Subject`, the simulated worlds and what the detectors did on them, and
says what it saw, what was expected and why it matters.
"""

from scopedrift.experiments.audit.runner import audit, audit_log
from scopedrift.experiments.audit.subject import Row, Subject

__all__ = ["Row", "Subject", "audit", "audit_log"]
