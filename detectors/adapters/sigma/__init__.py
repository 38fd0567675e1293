"""Sigma rules as a detector: production rules, unmodified, over the records that events would have been.

`rules` reads and compiles them; `correlations` judges combinations while events arrive; `judge` puts a set of both to
work.  `detector` is the detector of simulated worlds, which writes each event as a record; `records` judges the records
of an imported log as they are.
"""
