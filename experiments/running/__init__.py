"""Running detectors over worlds and logs: one verb a module.

`run` (one scenario), `sweep` (a suite), `tune` and `tune_log` (parameters and threshold), `gate` (against a baseline)
and `score` (a log without truth) are what the command line and the Python interface call; they take typed objects,
print nothing and report to a `Progress`.  `selection` names the detectors that take part, `worlds` makes worlds, `logs`
opens logs, `ablation` and `claims` ask what a piece of knowledge or a setting is worth.  `cells` keeps finished cells
and hands the others to workers.  Nothing here knows MLflow or the command line.
"""
