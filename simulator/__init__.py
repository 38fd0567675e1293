"""The simulated world, and the audit logs of real ones.

SimPy decides, NumPy expands.  SimPy processes model what takes time and contends: arrivals, queues, failures,
the progress of an attack.  They do not make events: a process appends *stage rows*, such as "this actor, in this task,
reads this dataset 400 times in the next hour".  Window by window, NumPy expands all rows at once into events, sorts
them by arrival and renumbers their codes.  Each event is a hash of its row's numbers and its place, so the log depends
neither on the window nor on what else happens.

    scenario, seed                                       one log, with its truth
          |                                                        ^
          v                                                        |
      +-------+   +----------------------+  stage rows  +-----------------------+
      | world |-->| runtime: SimPy clock |------------->| expansion: NumPy      |
      +-------+   |   workloads          | actor, task, |   when, what, outcome |
                  |   injection          | activity, n, |   columns, arrival    |
                  +----------------------+ from, for    +-----------------------+

The rooms import downwards only (import-linter holds this): `log`, `expansion`, `world`, `runtime`, `workloads`,
`injection`, `engine`, `own_logs`; `records` stands beside them and knows the log alone.
Import from outside: `engine.simulate`, `log`, `world.policy`, and what `records` and `own_logs` name.
"""
