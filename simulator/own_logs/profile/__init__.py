"""The profile of a real log, and a simulated twin of its platform.

`statistics` measures a log; `kinds` and `resemblance` say which workload family each identity is like; `learn` puts
that into a `Profile`; `twin` makes a scenario of it and corrects it until the statistics agree.  A twin does only what
the workload families of the catalogue do.  Import from outside: `learn`, `statistics` and `twin`.
"""
