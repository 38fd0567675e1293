# %% [markdown]
# # From your own log to a threshold
#
# Nothing leaves the machine. The log below is simulated and written as CloudTrail records, so that this page can be
# built anywhere. Use the path of your own log instead.

# %%
import scopedrift as sd

written = sd.export(sd.simulate("tiny", seed=3), "cloudtrail", "trail")
log = sd.read_log("trail")
log

# %% [markdown]
# Learn from the first half, and show what stands out in the rest, with a reason for each alert. A log has no ground
# truth, so no alert is right or wrong yet.

# %%
alerts = sd.score(log, ["first-seen", "rate"], top=3)
alerts

# %% [markdown]
# Inject incidents to learn what a detector would catch. They are built from the log's own records, which do not change.

# %%
world = sd.inject(log, [{"attack": "token-theft", "count": 4}, {"drift": "eager-retry", "count": 4}])
world

# %%
results = sd.run(world, ["first-seen", "rate"], alert_budget="4/day")
results.table[["Detector", "Incidents caught", "Precision", "False alarms a day"]]

# %% [markdown]
# Set a threshold for an alert budget, and estimate the alerts a day. Without incidents in the log, the parameters keep
# their defaults, and misses are unknown.

# %%
tuning = sd.tune("rate", log, alert_budget="4/day")
tuning

# %% [markdown]
# The file to deploy:

# %%
print(tuning.yaml)
