"""What is injected: scope drift and attack chains by one planner, and benign changes.

`plan` draws an incident before it begins, `incidents` carries it out as one SimPy process, `attempt` says which calls
of a technique are made or refused.  Where that happens is a `backend`'s: `world_backend` acts on the simulated platform
through a `foothold`; the one for real logs is `own_logs.backend`.  The `incident_log` gives events their truth.
`changes` and `schedule` belong to the simulated world; `schedule.start_injections` is what the engine calls.
Import from outside: `schedule`, `incident_log`, and for another backend `backend`, `plan`, `tempo` and `incidents`.
"""
