# %% [markdown]
# # A detector of your own
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
# Beside a built-in detector, on the same three worlds. `never`, `random`, `always` and `oracle` stand beside every
# result: they say what no skill achieves, and that the plumbing works.

# %%
results = sd.run("tiny", [NewRegistry(), "first-seen"], seeds=3)
results

# %% [markdown]
# By kind of incident, it is plain what looking at registries alone can see.

# %%
results.plot("recall-by-incident-kind")

# %% [markdown]
# What its alerts are about:

# %%
mine = results.alerts.query("detector == 'new-registry'")
mine[["seed", "opened_at", "false_alarm", "cause", "incident"]].head(8)

# %% [markdown]
# Kept in a file, `scopedrift check ./new_registry.py` holds it to the contract, and sweeps and gates can find it.
