"""Reading audit records: files to JSON values, values to records, records to rows, rows to an `EventLog`.

`sources` finds and streams files, `splitting` and `delimited` cut them into values, `unwrapping` opens what collectors
wrap around records, `reader` picks the format of each record, and one module a format maps its records to rows, which
`row_builder` gathers into columns.  Nothing is dropped in silence: `report` counts what could not be read, and why.
A mapping file (`mapping`) describes any other JSON or CSV.
Import from outside: `importer.import_log`; `report.ImportReport` for what it says.
"""
