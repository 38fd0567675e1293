"""The simulated world: events, the SimPy platform, injections and telemetry."""
