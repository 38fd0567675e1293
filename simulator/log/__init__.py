"""The log: events as columns, the batch that detectors get, Parquet on disk, and the truth beside it."""
