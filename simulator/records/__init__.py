"""Audit records as platforms write them: reading real ones into a log, writing a simulated log as real ones.

`reading` turns files of any supported format into an `EventLog`; `writing` turns a log into files of a format.
`formats` declares each format once: name, streams, the fields that records are recognised by, who reads and writes it.
What both directions share is here: errors, timestamps, paths into JSON, and the tables that decide who acted
(`identities`), what access it was (`access`) and how it ended (`outcomes`).
Import from outside: `reading.importer.import_log`, `writing.exporter.export_log`, `formats`, `errors`.
"""
