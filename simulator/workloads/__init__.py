"""The workload families: one module each, found by name.  See `scopedrift.simulator.world.families`."""
