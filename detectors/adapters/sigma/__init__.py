"""Sigma rules as a detector: unmodified production rules over the records of the simulated platform.

`ruleset` reads the rules of a folder; `rules`, `conditions` and `fields` compile one rule, and `correlations` judges
combinations while events arrive.  `judge` applies them: in `detector`, for simulated worlds, which writes each event as
a record, and in `records`, for the records of an imported log.
"""
