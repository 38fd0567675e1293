"""Where the testbed meets systems of others: alerts that they raised on a world, judged as a detector's.

`alert_formats` (with `alert_formats.yaml`) knows what alerts look like, `alert_files` reads them, `pointing` finds the
events that they are about, `clock` says what their times are worth, and `judge` makes results of it all, by the code
that judges detectors.  Import from outside: `judge.judge_alerts`.
"""
