"""The workload families: one module each, found by name.  See `family.py`."""
