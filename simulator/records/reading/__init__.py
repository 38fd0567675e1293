"""Telemetry: real audit records read into an `EventLog`, one file a format, and how simulated events are delivered."""
