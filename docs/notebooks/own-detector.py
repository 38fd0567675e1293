# %% [markdown]
# # Your own detector
#
# Two methods: `fit` learns from the baseline, `score` says how suspicious each event is. This one flags an image from a
# registry that the identity has not used before.

# %%
import scopedrift as sd


class NewRegistry(sd.Detector):
    """Flags an image from a registry that the identity has not used before."""

    name = "new-registry"

    def fit(self, history, knowledge):
        self.seen = set(history.pairs("identity", "registry"))

    def score(self, batch):
        pairs = batch.pairs("identity", "registry")
        scores = [0.0 if registry is None or (who, registry) in self.seen else 1.0 for who, registry in pairs]
        self.seen.update(pairs)
        return scores


# %% [markdown]
# Compare it with a built-in detector on the same three worlds. The references `never`, `random`, `always` and `oracle`
# are part of every result. They show what a detector without skill achieves, and that the measurement works.

# %%
results = sd.run("tiny", [NewRegistry(), "first-seen"], seeds=3)
results

# %% [markdown]
# Recall by kind of incident shows what a detector of registries can and cannot see.

# %%
results.plot("recall-by-incident-kind")

# %% [markdown]
# Its alerts:

# %%
mine = results.alerts.query("detector == 'new-registry'")
mine[["seed", "opened_at", "false_alarm", "cause", "incident"]].head(8)

# %% [markdown]
# Save it in a file to check it with `scopedrift check ./new_registry.py` and to use it in sweeps and gates.
