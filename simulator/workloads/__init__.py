"""The workload families: what runs, and when.

Each module but two is a family, found by name; with its YAML file in `scenarios/data/workloads/` it is complete (see
`docs/add-a-workload-family.md`).  A module makes its workloads in `build` and drives them with SimPy processes that
decide when things happen and record stages.  `family` gives a module its data, and builds a family by name.
`orphans` is what nobody switched off, and no family.
Import from outside: `family.build_family` and `orphans.build`, by the engine.
"""
