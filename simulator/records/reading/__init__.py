"""Reading audit records: files to JSON values, values to records, records to rows, rows to an `EventLog`.

`sources` finds and streams files; `splitting`, `delimited` and `parquet` cut them into values; `wrappers` opens what
collectors wrap around records and `repair` mends what is not quite JSON; `reader` picks the format of each record, and
one module a format maps its records to rows, which `row_builder` gathers into columns and `acts` merges where they tell
of one act.  Nothing is dropped in silence: `report` counts what could not be read or used, and why.
A mapping file (`mapping`) describes any other JSON or CSV.
Import from outside: `importer.import_log`; `report.ImportReport` for what it says.
"""
