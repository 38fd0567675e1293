# %% [markdown]
# # From a sweep to a figure for a paper
#
# A *suite* is a set of scenarios, variations, seeds and detectors. This one asks what shared identities cost. With a
# folder, `sweep` keeps finished cells and does not run them again.

# %%
import scopedrift as sd

suite = {
    "name": "sharing",
    "scenarios": ["tiny"],
    "vary": {"identities.sharing": [0.0, 1.0]},
    "seeds": 3,
    "detectors": ["first-seen", "rate"],
}
results = sd.sweep(suite)
results.table[["Scenario", "Detector", "Incidents caught", "Recall", "False alarms a day"]]

# %% [markdown]
# The same as numbers, with 95 % intervals over worlds. The wide intervals show that three worlds are too few.

# %%
under_test = results.summary[results.summary["detector"].isin(suite["detectors"])]
under_test[["scenario", "detector", "recall", "recall_low", "recall_high"]].round(2)

# %% [markdown]
# Draw the figure for one of the settings. `figure.savefig("curves.pdf")` embeds the fonts, as journals require.

# %%
figure = results.plot("operating-curves", "tiny (sharing=1.0)")
figure

# %% [markdown]
# `save` writes the report, every figure (SVG, PDF), and the tables as Parquet, CSV, Markdown and LaTeX.

# %%
report = results.save("sharing")
sorted(path.name for path in (report.parent / "tables").glob("results.*"))
