"""Simulated logs written as the records that a platform would have written.

    exported = export_log(simulation.log, "cloudtrail", Path("trail/"))     # see `exporter`

Each format carries the streams that its original carries, and no others: a metadata read is in no CloudTrail, however
convenient that would be for a rule.  What a format cannot hold is listed in its module's docstring and tested.
"""
