"""Writing a log as the records that a platform would have written.

`exporter.export_log` writes the files, one module a format makes the records, and `naming` makes account numbers,
key ids and UUIDs of the log's own names, one to one.  Request bodies are data (`cloudtrail.yaml`, `gcp.yaml`) that
`template` fills in.  Each format carries the streams that its original carries, and no others: a metadata read is in no
CloudTrail, however convenient that would be for a rule.  What a format cannot hold is in its module's docstring.
Import from outside: `exporter.export_log`; `naming.ExportNames` with `formats` to write single records.
"""
