"""Running detectors over worlds and logs: runs, sweeps, tuning, gates, and what the results depend on."""
