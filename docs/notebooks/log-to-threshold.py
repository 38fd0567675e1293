# %% [markdown]
# # From your own log to a threshold
#
# Nothing leaves the machine. So that this page can be built anywhere, the log below is a simulated one, written as
# CloudTrail records; put the path of yours in its place.

# %%
import scopedrift as sd

written = sd.export(sd.simulate("tiny", seed=3), "cloudtrail", "trail")
log = sd.read_log("trail")
log

# %% [markdown]
# What stands out: learned from the first half, with a reason for each alert. There is no truth in a log, so nothing is
# right or wrong yet.

# %%
alerts = sd.score(log, ["first-seen", "rate"], top=3)
alerts

# %% [markdown]
# To know what a detector would catch, put incidents in. They are made of what is in the log, and its records stay as
# they are.

# %%
world = sd.inject(log, [{"attack": "token-theft", "count": 4}, {"drift": "eager-retry", "count": 4}])
world

# %%
results = sd.run(world, ["first-seen", "rate"], alert_budget="4/day")
results.table[["Detector", "Incidents caught", "Precision", "False alarms a day"]]

# %% [markdown]
# A threshold for an alert budget, with the alerts a day to expect. Without incidents in a log, its parameters stay as
# they are and what it misses is unknown.

# %%
tuning = sd.tune("rate", log, alert_budget="4/day")
tuning

# %% [markdown]
# What to deploy:

# %%
print(tuning.yaml)
