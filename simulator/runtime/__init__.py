"""The running platform: what SimPy processes act on.

`platform.Platform` is the clock, the GPU queue, outages and rotations, and takes stage rows; `decisions` is the policy
that may refuse them.  A `tasks.Task` records stages under one task id and credential session, and keeps that alive.
`detours`, `chores` and `growth` are processes that every world has: work outside what is declared, rare work by hand,
and datasets that come and go.  `turns` says what changes while a task runs.
Import from outside: `platform` and `tasks`, by whoever writes a process.
"""
