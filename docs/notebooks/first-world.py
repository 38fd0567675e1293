# %% [markdown]
# # A first world
#
# A *world* is a simulated platform with its events, and the truth about which of them were injected. `tiny` is a
# scenario small enough to look at; `quickstart` and `core-week` are the ones to draw conclusions from.

# %%
import scopedrift as sd

world = sd.simulate("tiny", seed=0)
world

# %% [markdown]
# `world.events` is a pandas table, one row for each event in order of arrival.

# %%
world.events[["arrived", "identity", "operation", "resource", "outcome"]].head()

# %% [markdown]
# `world.truth` has a row for each injected event, under the same number. A detector is never given it.

# %%
injected = world.events.join(world.truth, how="inner")
injected.groupby(["label", "incident"], observed=True).size()

# %% [markdown]
# One detector on this world: it learns on the first days, its threshold is set on the next for one false alarm a day,
# and it is judged on the last.

# %%
found = sd.evaluate("first-seen", world)
found.metrics["recall"], found.metrics["false_positives_per_day"]

# %% [markdown]
# Which incidents it caught, and after how many seconds:

# %%
found.incidents[["incident", "template", "detected", "delay_s"]]

# %% [markdown]
# What it would catch at any number of false alarms a day. One small world says little: the next notebooks use more.

# %%
found.plot("operating-curves")
