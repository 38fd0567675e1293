"""Detectors that run in a process of their own, out of reach of the truth.

`apart` is our side of such a detector: it asks another process for scores.  `server` answers there, once
`confinement` has shut that process in.  Both talk in `frames`, JSON headers and plain bytes, so that nothing from a
detector is ever unpickled.  `columns` puts what the detector reads into memory, where `receiver` finds it.

`forks` and `fork_server` start processes that are forked from one that has loaded all they need.

`child` starts, limits and ends any process that detectors talk to, and `abstentions` ends a detector that judges
nothing: adapters of programs and services import these two.
"""
