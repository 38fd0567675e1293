"""What authors of detectors build on: vectorised memory, features and names over batches of events.

Everything here works on whole batches of NumPy columns, and nothing depends on how a stream was cut into batches.
`columns` reads a batch; `hashing`, `memo`, `distinct` and `counts` remember; `steps` says what an operation is, `peers`
who is alike, and `prevalence` who does what; `tasks`, `activities`, `profiles` and `windowed` follow behaviour.  The
built-in detectors and the adapters use these modules, and yours may: import a name from its module, such as
`from scopedrift.detectors.toolkit.columns import column`.
"""
