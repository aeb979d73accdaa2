# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: -jupytext.text_representation
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 13 · Explore: one user, one λ, and a backbone of your own
#
# *Appendix, about 30 minutes: a playground. Reads after 09.*
#
# *As a page: `make site`, then open `build/site/notebooks/13_explore.html`.*
#
# The notebooks before this one spoke of averages. Here you look at people: pick a user and a λ, and see their history,
# the text about them, the three distributions, what they cost in the loss and what they are offered. Then you write a
# *backbone* of your own in 20 lines, an encoder and a decoder such as the base model has, and attach DMRec to it.
#
# **You will be able to** read one user's loss term by term, say for whom λ matters and why one model for every λ is an
# approximation, and use DMRec with a model that this kit has never seen.
#
# **Before this one:** `04_distribution_matching` (the losses) and `09_lambda_sensitivity` (the averages over λ).

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
embedder = "auto"  # what turns texts into vectors
device = "auto"
first_seed = 2024
seeds = 3  # for the comparison at the end; the users are looked at with the first seed
strategy = "mddm"  # or "godm", "cpdm"
lambdas = [0.0, 0.25, 0.5, 0.75, 1.0]
variant = "published"  # or "paper": the equations as printed
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import nn

from dmrec_core import (
    Backbone,
    BaseModel,
    DiagonalGaussian,
    DMRec,
    InteractionLinear,
    MatchingTerms,
    MetaNetwork,
    Strategy,
    analysis,
    evaluate,
    every_lambda,
    fit,
    kl,
    kl_to_standard_normal,
    notebook,
    panels,
    user_batch,
)
from dmrec_core.figures import kept, live, twins
from dmrec_core.paper import real_data
from dmrec_core.training import derived_seed

lesson = notebook.begin(
    dataset, embedder, device, seeds, figures_dir, first_seed=first_seed,
    strategy=strategy, lambdas=lambdas, variant=variant,
)  # fmt: skip
data, checked = lesson.data, lesson.checked

# %% [markdown]
# ## Train a line of λ
#
# One run for every λ with the same seed, so that all of them start from the same weights, and the base model to compare
# with. Finished runs are kept in `runs/`.

# %%
results = lesson.sweep(lesson.spec("base"), lesson.spec(strategy, variant=variant), lam=lambdas, seed=[first_seed])
line = analysis.LambdaLine(results, data)
base, runs = line.base[0], list(line.single().values())
pd.DataFrame(
    {
        "model": [live.lambda_of(r.spec) for r in results],
        "test Recall@20": [r.metrics["test"]["recall@20"] for r in results],
        "best epoch": [r.record["best_epoch"] for r in results],
    }
).style.format({"test Recall@20": "{:.4f}"}, escape="html").hide()

# %% [markdown]
# ## Look at a user
#
# The large markers and outlines are this user's $q$ (blue, from clicks), $p$ (orange, from texts) and the fused
# posterior that the taste $z$ is drawn from (green, both put together); the faint dots are other users' means. All of
# it is seen in the plane in which users differ most (the two leading principal axes), which holds only the share of the
# differences written below it: things that look close may be far apart in a direction you do not see. Every position of
# the slider is a trained run.

# %%
panel = panels.user_panel(results, data)

# %% [markdown]
# ## The same on real data
#
# Real runs take minutes each, so what twelve users of `google-xrec` look like (Google's local reviews, texts by a GPT
# model) is kept in the repository, from runs of one seed. The cell makes one HTML file of it with the same controls: on
# the site it stands below this cell; elsewhere open the file that the cell names. Two things to try:
#
# - press "no prior" (09 says why λ = 0 can fail): where do $q$ and $p$ stand now, how easily are the training clicks
#   repeated (the bar "reconstruction": the shorter, the easier), and where does the test item go?
# - go back up to λ = 1 in steps, for the user with the shortest history and for the one with the longest.

# %%
page_of_real = twins.write_kept_explore(lesson.folder / "13_explore.google-xrec.html", "google-xrec")
print(
    "nothing is kept of google-xrec"
    if page_of_real is None
    else f"{page_of_real.name}, which names its licence, lies beside the others"
)

# %% [markdown]
# ## One user's loss, by hand
#
# What the bars of the panel above show. For user $u$, without dropout and with $z$ at the posterior mean, in nats
# (logarithms are natural logarithms; $D_{KL}$ is the Kullback-Leibler divergence, and DMRec-M matches by MDDM, the
# mixing divergence),
#
# - $L_{rec}(u) = -\sum_i x_{ui}\log\mathrm{softmax}(f_\theta(\mu))_i$, with $f_\theta$ the decoder, $\mu$ the mean that
#   is decoded and $x_{ui} = 1$ where the user clicked: how surprised the model is by what the user did (Eq. 18,
#   negated); it grows with the number of items;
# - for DMRec-M, $\lambda D_{KL}(\cdot\,\|\,p_z)$, the prior's share of the budget;
# - and $(1-\lambda) D_{KL}(\cdot\,\|\,p_\varphi)$, the language space's share (Eq. 15). As published, the dot is the
#   fused posterior; in the paper's equations it is $q_\phi$.
#
# Their sum is what Eq. 19 says DMRec minimises.

# %%
middle = runs[len(runs) // 2]
lam = middle.spec.lam
model = middle.model(data)
user = line.first_person  # the quietest of them with a test item in reach
batch = user_batch(data.train, np.array([user]))
with torch.no_grad():
    spaces = analysis.spaces_of(model, batch)
    q, p, fused = spaces["collaborative"], spaces["language"], spaces["fused"]
    log_share = torch.log_softmax(model.backbone.decode(fused.mean), dim=1)  # (1, n_items)
    by_hand = {"reconstruction": -log_share[0, batch.rows.items].sum()}
    matched = fused if variant == "published" else q
    if strategy == "mddm":
        by_hand["prior"] = lam * kl_to_standard_normal(matched)[0]
        by_hand["matching"] = (1 - lam) * kl(matched, p)[0]
for name, value in by_hand.items():
    print(f"{name:>14}: {float(value):8.3f} nats")

# %%
looked_at = analysis.take_snapshot(middle, data, np.array([user]))
for name, value in by_hand.items():
    checked.assert_close(f"{name} of user {user} by hand", value, float(looked_at.terms[name][0]), rtol=1e-4)
if variant == "published":
    checked.assert_close("the fused mean is q's mean plus p's mean", q.mean + p.mean, fused.mean)
notebook.show_source(live.draw_user)

# %% [markdown]
# ## Whose clicks correct their text?
#
# As published, the decoded mean is $\mu_\phi + \mu_\varphi$, $q$'s mean and $p$'s: text first, and the clicks as a
# correction of it. Left: how long that correction is beside the text's mean, for users in four groups by how much they
# clicked (notebook 06). Right: how many of the ten best items are also among the base model's ten best.

# %%
table = kept.corrections(runs, base, data)
figure = kept.draw_corrections(table)
figure

# %% [markdown]
# Read the left panel from left to right (DMRec-M: a small λ means much pull towards the language space). At its left
# end the correction is short for everybody, and at every λ it is longest for long histories. That is the published MDDM
# at work: the mean of $p$ cancels from the matching term (`04_distribution_matching`), and what is left pulls
# $\mu_\phi$ towards zero. In the paper's equations, which 04's one-dimensional posterior follows, it is $q$ that moves
# towards the text, and a user with few items moves most; as published, the text is already in, and a user with few
# items has little to add to it.

# %% [markdown]
# ## One model for every λ?
#
# Every position of the slider above is a run of its own: exact, and seconds to minutes each. **Loss-conditional
# training** (Dosovitskiy and Djolonga 2020) trains one model instead: λ is drawn anew for every batch of users, and the
# network is told which one it was.
#
# - $h$: a layer's units, before the tanh.
# - $\gamma(\lambda)$, $\beta(\lambda)$: a scale and a shift for every unit, from a small network that reads λ. (The
#   paper's β is another thing: our λ.) Its last layer starts at zero, so at first λ changes nothing.
#
# $$h \mapsto (1+\gamma(\lambda))\odot h+\beta(\lambda)$$
#
# ($\odot$: unit by unit.) This is feature-wise linear modulation (Perez et al. 2018); neither is DMRec's.

# %%
h = torch.tensor([[1.0, -2.0, 0.5]])  # (1, 3): one user, three units
gamma, beta = torch.tensor([[0.0, 1.0, -1.0]]), torch.tensor([[0.0, 0.0, 2.0]])
by_hand = torch.stack([(1 + gamma[0, k]) * h[0, k] + beta[0, k] for k in range(3)])  # kept, doubled, replaced
checked.assert_close("modulated units by hand", by_hand, every_lambda.modulate(h, gamma, beta)[0])
notebook.show_source(every_lambda.modulate)

# %% [markdown]
# **Why one set of weights cannot stop at two times.** A run stops when *its* λ is best on validation. Weights that
# serve every λ have one clock:
#
# - $V_\lambda(t)$: validation Recall@20 of the run at λ after $t$ epochs;
# - $c(t)$: what the worst-off λ loses in validation Recall@20 if all stop at $t$.
#
# $$c(t) = \max_\lambda\big[\max_{t'} V_\lambda(t') - V_\lambda(t)\big]$$
#
# It is 0 at some $t$ only if one time is best for every λ. By hand for two λ and three times, then for the runs above:

# %%
valid = torch.tensor([[0.20, 0.25, 0.22], [0.10, 0.20, 0.30]], dtype=torch.float64)  # (2 λ, 3 times)
by_hand = (valid.amax(1, keepdim=True) - valid).amax(0)  # (3,)
core = every_lambda.costs_of_one_stop({k: dict(enumerate(row)) for k, row in enumerate(valid.tolist())})
checked.assert_close("the cost of one stop by hand", by_hand, list(core.values()))
curves = {}
for r in runs:
    judged = r.history.dropna(subset="valid_recall@20")
    curves[r.spec.lam] = dict(zip(judged["epoch"] + 1, judged["valid_recall@20"], strict=True))
costs = every_lambda.costs_of_one_stop(curves)
least = min(costs, key=costs.get)
print(f"by hand {[round(c, 2) for c in by_hand.tolist()]}")
print(f"the runs' least cost of one stop: {costs[least]:.4f}, after {least} epochs")

# %% [markdown]
# One way out: keep the weights at many times of one training, and let validation choose among them for each λ. What
# comes out is an **approximation** of a run: shared weights go on learning from the other λ where a run of its own
# would already have stopped, and can be better there than the run they stand in for, or worse.

# %%
grid = [r.spec.lam for r in runs if r.spec.lam <= 1]
start = middle.spec.with_(lam=grid[-1])  # the λ whose validation ends the training: one that takes long
every = every_lambda.conditional_run(start, data, grid, device=str(lesson.device))
fine = np.linspace(grid[0], grid[-1], 9)
approximated = {float(at): evaluate(every.at(float(at)), data, "test").means()["recall@20"] for at in fine}
kept.draw_stops(curves, {r.spec.lam: r.metrics["test"]["recall@20"] for r in runs}, approximated)

# %% [markdown]
# Left: a star is where the run of a λ is at its best on validation; where the stars stand apart, no common stop is
# right. Right, the same test users, one model at nine λ beside the runs. Between two λ of the grid whose stops differ,
# the two stops' log-probabilities are mixed, as `every_lambda.between` does with two kept runs: an approximation again.
# Toy is small and its runs are quick; how near one model comes to runs on real data, `python -m dmrec_core conditional
# yelp-xrec` measures, and [figures/yelp-xrec/conditional.md](../figures/yelp-xrec/conditional.md) says. In numbers,
# here and there (the live figures on the site have trained λ only, and nothing between):

# %%
met = {r.spec.lam: r.metrics["test"]["recall@20"] for r in runs if r.spec.lam in approximated}
here = [f"{at:g}: {approximated[at] - value:+.4f}" for at, value in met.items()]
print(f"{data.name}, one seed, Recall@20 of the one model minus the run's, at λ =", ", ".join(here))
for made_of, kept_numbers, _ in real_data.kept_on("conditional"):
    told = [f"{row['lam']:g}: {row['chosen']['mean']:+.4f}" for row in kept_numbers["lams"]]
    print(f"{made_of}, at λ =", ", ".join(told))

# %% [markdown]
# A number above zero says that the one model ranks better than the run it stands in for: at a small λ, where the run
# collapses, that is a failure to show it.

# %% [markdown]
# ## A shorter way to the next run?
#
# A run can also start where its neighbour along λ ended, **warm**, instead of **cold**, at its own first weights. It is
# another run: it may end elsewhere. And it cannot be quicker than its patience, so many evaluations without a better
# one, after which training stops. `RunSpec(warm=0.75)` names where a run starts, and notebook 09's panel has a box.

# %%
starts = pd.DataFrame()
if seeds > 1 and len(grid) > 2:
    cold = lesson.sweep(lesson.spec(strategy, variant=variant), lam=grid[1:-1])
    ends = pairwise(grid[1:])  # each from the next λ above
    warmed = lesson.sweep(*[lesson.spec(strategy, variant=variant, lam=lam, warm=above) for lam, above in ends])
    starts = analysis.warm_starts(cold, warmed)
    print(
        f"{data.name}, {seeds} seeds: {starts['within'].sum()} of {len(warmed)} warm runs end within the cold ones' "
        f"spread over seeds; they take {starts['share'].mean():.0%} of their epochs, "
        f"{(starts['patience'] / starts['epochs_warm']).mean():.0%} of those patience"
    )
starts

# %% [markdown]
# ## Bring your own backbone
#
# DMRec needs two things of a backbone: `posterior`, from a batch of users to a Gaussian, and `decode`, from $z$ to a
# score for every item. Here is one that the kit does not have: a Mult-VAE with two hidden layers on either side.


# %%
class DeepMultVAE(Backbone):
    """n_items -> hidden -> hidden -> 2d, and d -> hidden -> hidden -> n_items."""

    def __init__(self, n_items, hidden, latent, dropout=0.3):
        super().__init__()
        self.latent, self.input_dropout = latent, dropout
        self.first = InteractionLinear(n_items, hidden)  # reads sparse rows
        self.encoder = nn.Sequential(nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(
            nn.Linear(latent, hidden), nn.Tanh(), nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, n_items)
        )

    def posterior(self, batch):
        return DiagonalGaussian.from_heads(self.encoder(self.first(batch.inputs)))

    def decode(self, z):
        return self.decoder(z)


# %% [markdown]
# That is all. The meta-network, the fusion and the strategies come from `DMRec`, training and evaluation are the same
# functions that every model here goes through. Trained alone and with DMRec, from the same seeds (the `p` printed below
# is a p-value, not the distribution):


# %%
def train(seed, with_language):
    settings = lesson.spec(strategy, seed=seed)
    torch.manual_seed(derived_seed(seed, "init"))
    mine = DeepMultVAE(data.n_items, settings.hidden, settings.latent, settings.dropout)
    if with_language:
        user_vectors, item_vectors = (torch.from_numpy(v) for v in (data.language.user, data.language.item))
        meta = MetaNetwork(user_vectors, item_vectors, settings.latent, settings.hidden)
        model = DMRec(mine, meta, strategy, lam, variant)
    else:
        model = BaseModel(mine)
    fit(model, data, settings.train, seed=seed, device=lesson.device)
    return model


seed_list = lesson.seeds
alone = [train(seed, with_language=False) for seed in seed_list]
with_dmrec = [train(seed, with_language=True) for seed in seed_list]

# %%
scores = {
    name: [evaluate(model, data, "test").means()["recall@20"] for model in models]
    for name, models in (("DeepMultVAE", alone), (f"DeepMultVAE in DMRec, λ = {lam:g}", with_dmrec))
}
own_backbone = pd.DataFrame(
    {"model": list(scores), "test Recall@20": [str(analysis.mean_interval(values)) for values in scores.values()]}
)
if seeds > 1:
    theirs, ours = scores.values()
    test = analysis.paired_test(ours, theirs)
    print(f"difference over {seeds} seeds: {test.difference}, {test.test} p = {test.p:.2g}")
own_backbone

# %% [markdown]
# The views do not know which backbone they look at: this is the same picture as above, for the model you just wrote.

# %%
mine = with_dmrec[0].to("cpu")
people = line.users
own = analysis.snapshot_of(mine, lesson.spec(strategy, lam=lam, variant=variant, seed=first_seed), data, people)
own_base = analysis.snapshot_of(alone[0].to("cpu"), lesson.spec("base", seed=first_seed), data, people)
panels.explore(
    lambda user: live.draw_user(own, user, data, own_base),
    user=[(live.user_label(data, u), u) for u in line.people],
    predict=(
        "This encoder is deeper. Will its q lie further from the origin than Mult-VAE's in the panel above?",
        "Depth is not what decides it: as published, the matching pulls q's mean towards zero whatever the encoder is.",
    ),
)

# %% [markdown]
# ## Bring your own strategy
#
# A strategy is a function of three Gaussians that gives two terms for every user, and an object with its names. Here
# the means of $q$ and $p$ are pulled together, and their widths are let alone. The object goes wherever a strategy's
# name does: it trains, sweeps, is drawn, and moves under a slider.


# %%
def squared(q, p, fused, lam, variant="published"):
    return MatchingTerms(kl_to_standard_normal(fused), lam * (q.mean - p.mean).square().sum(1))


own_strategy = Strategy(squared, "DMRec-S", "squared distance of means")
with_it, without = (lesson.sweep(lesson.spec(each, lam=at)) for each, at in ((own_strategy, 0.5), ("mddm", 1.0)))
print(f"{own_strategy.label} minus no matching: Recall@20 {analysis.compare(with_it, without)}")

# %% [markdown]
# ## Your own clicks
#
# The last live figure is about you: one HTML file with five small models in it, one for each λ, that read what you
# click without Python. On the site it stands below this cell; elsewhere open the file that the cell names. Three
# things to try:
#
# - click three items of one kind (on toy, type *chess*) and move λ from 1 to 0, where no prior pulls any more;
# - add one item of quite another kind: does q follow it, or p?
# - take all clicks back and borrow a user's text: what is recommended to somebody known by a text alone?

# %%
narrow = lesson.spec(strategy, variant=variant, hidden=32, latent=16)  # all weights go into the page
small = lesson.sweep(narrow, lam=[0.0, 0.25, 0.5, 0.75, 1.0], seed=[first_seed])
page = twins.write_own_clicks(
    lesson.folder / "13_explore.clicks.html", small, data, lesson.facts(small, variant=variant)
)
print(f"{page.name} lies beside the other figures")

# %% [markdown]
# ## What we checked

# %%
with torch.no_grad():
    together = mine.spaces(user_batch(data.train, people))
length = {name: float(getattr(together, name).mean.norm(dim=1).mean()) for name in ("collaborative", "language")}
chance = min(1.0, 20 / data.n_items)
learnt = analysis.mean_interval(scores[f"DeepMultVAE in DMRec, λ = {lam:g}"]).mean
print(f"DMRec with a backbone of your own: Recall@20 {learnt:.4f}, by chance about {chance:.4f}")
print(f"mean lengths in your model: q {length['collaborative']:.2f}, p {length['language']:.2f}")
checked.show()

# %% [markdown]
# ## Paper vs code
#
# | | paper | published code |
# |---|---|---|
# | what $z$ is drawn from | $z_u^*$, never defined | the sum of both branches' means and log-variances |
# | what MDDM matches with $p$ | $q_\phi$ | the fused posterior: $\mu_\varphi$ cancels, $\mu_\phi$ is pulled to 0 |
# | what a backbone must offer | "any generative recommender" | Mult-VAE is the only one published |
#
# Set `variant = "paper"` above and run the notebook again: the blue cloud no longer shrinks to the origin.
#
# ## Exercises
#
# 1. A user has 5 training items and the model gives each of them the probability 1/50. What is their reconstruction
#    term in nats?
# 2. At which λ does DMRec-M's bar "prior" vanish for every user?
# 3. Turn the backbone into a Mult-DAE: its encoder gives a mean only, and $z$ is that mean. Which constant
#    log-variance makes `sample` return the mean to within about $10^{-4}$ (times a standard normal number), yet keeps
#    $D_{KL}$ to the prior below 9 nats a dimension at mean 0? Answer with a number.

# %%
answer_1 = None
answer_2 = None
answer_3 = None

notebook.check("13.1", answer_1)
notebook.check("13.2", answer_2)
notebook.check("13.3", answer_3)

# %% [markdown]
# ## Keep the figure and its numbers
#
# The twin is one HTML file with the same controls that needs no Python: open it from the folder, or mail it.

# %%
numbers = {
    "corrections": table.to_dict(orient="records"),
    "own_backbone": {name: [float(value) for value in values] for name, values in scores.items()},
    "warm_starts": analysis.for_json(starts),
    "own_clicks": {f"{r.spec.lam:g}": r.metrics["test"]["recall@20"] for r in small},
}
path = lesson.keep("13_explore", figure, numbers, results, lam=lam, variant=variant)
page = twins.write_explore(path.with_suffix(".html"), results, data, lesson.facts(results, lam=lam, variant=variant))
print(path.name, page.name)
