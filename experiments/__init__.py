"""Running detectors over simulations: scoring, tracking, sweeps, and the command line."""
