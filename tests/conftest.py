"""One Hypothesis profile for every way of running the tests: none of them may depend on the machine's speed."""

from hypothesis import HealthCheck, settings

# What the current profile says of reproducibility stays (in CI, Hypothesis repeats the same examples).
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
