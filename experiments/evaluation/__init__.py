"""From scores to metrics: windows, alerts, matching, metrics, survival and the statistics over worlds."""
