"""From a detector and a world to metrics, and from many worlds to intervals and comparisons.

`evaluate` cuts a world into windows (`windows`), fits and scores the detector (`scoring`, `guard`), turns scores into
alerts (`alerts`), matches them with the truth (`matching`) and computes the metrics (`judging`, `metrics`, `survival`).
`tables` writes an evaluation as result tables, `summary` pools them over worlds, `statistics` compares detectors.
Import `evaluate` and the tables from here; detectors and worlds come in as arguments.  Nothing here makes a world,
keeps a result or reports progress: that is `running`, above.
"""
