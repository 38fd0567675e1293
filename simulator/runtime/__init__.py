"""The running platform: the clock, queues, limits, outages and decisions that SimPy processes talk to."""
