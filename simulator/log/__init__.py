"""The log: audit events as columns, and the truth about them.

`events` has the columns, their vocabulary and `EventBatch`, which is what a detector gets.  `event_log` is a whole log
in order of arrival, in memory or on disk; `storage` is its Parquet files.  `truth` says which events were injected and
by what; `truth_file` saves it with a log.  The truth is a separate table, so that no batch can hold it.
Import from outside: all of it; this room knows no other one.
"""
