"""Sigma rules as a detector: production rules, unmodified, over the records that events would have been.

`ruleset` reads the rules of a folder; `rules`, `conditions` and `fields` compile one of them, and `correlations` judges
combinations while events arrive.  `judge` puts all of them to work: in `detector`, the detector of simulated worlds,
which writes each event as a record, and in `records`, which takes the records of an imported log as they are.
"""
