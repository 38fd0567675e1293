"""Work with a user's own logs: inject incidents, profile the platform, replace names.

`inject.inject` puts incidents and benign changes into a `world.RealWorld`, a log with its windows and truth.  Events
are built from the log's own (`background`, `calls`, `actors`, `events`) by the planner of `simulator.injection` and the
`backend` for real logs.  `profile` learns from a log and makes a simulated twin of it; `pseudonyms` replaces names.
Import from outside: `inject`, `world`, `pseudonyms`, and `profile`'s `learn`, `statistics` and `twin`.
"""
