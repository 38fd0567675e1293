"""The organisation before anything happens: projects, identities, credentials, entitlements, workloads.

`organisation.SimulatedWorld` is built once from a scenario and a seed.  It asks `naming` for names, `credentials` and
`entitlements` for what identities hold, and `rhythm` for the working week; `sizes` says how large each family is.
`workload` and `identities` are what it is made of, and `sessions` says when a workload's credentials fall due.
`rollout` changes what a workload uses while the world runs; `declarations` is what a deployment declares of it all,
in the terms of `policy`.
Import from outside: `policy` by anyone; the rest by the rooms above.
"""
