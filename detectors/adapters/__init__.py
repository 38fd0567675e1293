"""Other people's detectors behind our interface, one file per library; each library is an extra, imported when used.

`river`, `pyod`, `sklearn`, `agentnorm` and `sigma` wrap libraries; `program` and `http` ask a program or a service of
yours.  They share `libraries` (importing what may not be installed), `row_models` (models of rows of numbers) and
`event_json` (events as JSON).  Nothing imports an adapter but the registry, by name.
"""
