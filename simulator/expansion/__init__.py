"""From stage rows to the columns of a log, window by window, with array operations only.

`rows` is what SimPy processes append, `numbers` the ranges that stages and tasks are numbered from.  Rows point into
`tables` (names, pools of resources, actors) and `activities` (what a stage logs).  The `recorder` collects rows; at the
end of a window `occurrences` says when each event happens and how it ends, `delivery` when it arrives or whether it is
lost, `columns` what it shows, and `arrival` in which order and under which codes.
Import from outside: `rows`, `numbers`, `tables`, `activities`, and for an engine `recorder`, `delivery` and `arrival`.
"""
