# %% [markdown]
# # A first world
#
# A *world* is a simulated platform with its events, and the truth about which of them were injected. `tiny` is a
# scenario for a first look; draw conclusions from `quickstart` and `core-week`.

# %%
import scopedrift as sd

world = sd.simulate("tiny", seed=0)
world

# %% [markdown]
# `world.events` is a pandas table, one row for each event in order of arrival.

# %%
world.events[["arrived", "identity", "operation", "resource", "outcome"]].head()

# %% [markdown]
# `world.truth` has a row for each injected event, under the same number. Detectors never see it.

# %%
injected = world.events.join(world.truth, how="inner")
injected.groupby(["label", "incident"], observed=True).size()

# %% [markdown]
# Judge one detector on this world. It learns on the first days. The next days set its threshold for one false alarm a
# day, and the last days judge it.

# %%
found = sd.evaluate("first-seen", world)
found.metrics["recall"], found.metrics["false_positives_per_day"]

# %% [markdown]
# The incidents it caught, and after how many seconds:

# %%
found.incidents[["incident", "template", "detected", "delay_s"]]

# %% [markdown]
# Recall and precision at any number of false alarms a day. One small world says little; the next notebooks use more.

# %%
found.plot("operating-curves")
