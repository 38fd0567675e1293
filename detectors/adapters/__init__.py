"""Adapters for other detectors, one file per library; each library is an extra, imported on use.

`river`, `pyod`, `sklearn`, `agentnorm` and `sigma` wrap libraries; `program` and `http` ask your own program or
service.  They share `libraries` (optional imports), `row_models` (models of rows of numbers) and `event_json` (events
as JSON).  Only the registry imports adapters, by name.
"""
