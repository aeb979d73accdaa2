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
# # 07 · Which latent dimensions are used?
#
# *Appendix, about 20 minutes: the paper's Figure 4. Reads after 05.*
#
# *As a page: `make site`, then open `build/site/notebooks/07_dimension_activity.html`.*
#
# A variational autoencoder pays for every dimension in which users differ: the pull towards the prior is zero only
# where every user's distribution *is* the prior. So it may switch off dimensions that do not earn their price: they
# *collapse*. The paper's Figure 4 asks whether DMRec keeps more of them alive. Where the base model has none that
# collapsed, there is nothing to keep alive, and what can differ is how active the dimensions are: two claims, judged
# apart below.
#
# **You will be able to** measure a dimension's activity, see which users and items it is about, and tell "more active
# because of the language" from "more active because the prior was weakened".

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
embedder = "auto"  # what turns texts into vectors
device = "auto"
seeds = 3
first_seed = 2024
precision = "float32"  # of matrix products; "bf16": faster where the processor has units for it, refused elsewhere
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
from functools import partial

import numpy as np
import pandas as pd
import torch
from IPython.display import display

from dmrec_core import analysis, notebook, panels
from dmrec_core.figures import kept, live
from dmrec_core.paper import real_data

lesson = notebook.begin(dataset, embedder, device, seeds, figures_dir, first_seed=first_seed, precision=precision)
data, checked = lesson.data, lesson.checked

# %% [markdown]
# ## The activity of a dimension
#
# - $z_{u,k}$: coordinate $k$ of user $u$'s taste, $k = 1, \dots, d$.
# - $E_q[z_{u,k}]$: its mean under the user's posterior $q$, that is, what the encoder says without noise.
# - $\mathrm{Var}_u$: the variance over all users.
#
# $$a_k \;=\; \mathrm{Var}_u\big(E_q[z_{u,k}]\big), \qquad \text{the figure shows } \ln a_k .$$
#
# If all users have the same mean, dimension $k$ says nothing about anybody: $a_k = 0$. Burda, Grosse and Salakhutdinov
# (2016) call a dimension active when $a_k > 0.01$, and we count those below it as collapsed. The threshold only means
# something because the prior fixes the scale: a user's own uncertainty is about 1 per dimension where nothing is known.
#
# By hand, four users and three dimensions:

# %%
means = torch.tensor([[1.0, 0.20, 5.0], [-1.0, 0.25, 5.0], [2.0, 0.15, 5.0], [-2.0, 0.20, 5.0]])  # E_q[z], (U, d)
by_hand = ((means - means.mean(0)) ** 2).mean(0)  # (d,)
print("activity", by_hand.tolist(), "collapsed", (by_hand < analysis.ACTIVE).tolist())

# %%
checked.assert_close("activity by hand equals the core's", by_hand, analysis.dimension_activity(means.numpy()))
notebook.show_source(analysis.dimension_activity, analysis.posterior_means)

# %% [markdown]
# The third dimension has the largest mean and no activity: where a cloud of users lies does not matter, only how wide
# it is.
#
# ## Which mean?
#
# The base model has one posterior, $q_\phi$. DMRec has two candidates, and the paper does not say which it drew:
#
# - the mean of $q_\phi$ alone, what the *collaborative encoder* says;
# - the mean that is *decoded*, in the published code the sum of both branches, $\mu_\phi$ of the encoder and
#   $\mu_\varphi$ of the meta-network, which reads the texts.
#
# Both are below; the second is called *fused*. And there is a control that the paper does not have. MDDM, the strategy
# *mixing divergence for distribution matching*, gives the prior only the weight λ; a base model whose KL term (its
# Kullback-Leibler divergence from the prior) has that same weight pays the same price per dimension. If it is just as
# active, activity comes from the lower price, not from the language.

# %%
dmrec = lesson.spec("mddm")
lam = dmrec.lam
results = lesson.sweep(lesson.spec("base"), lesson.spec("base", kl_weight=lam), dmrec)
activity = analysis.activities(results, data)
figure = kept.dimension_activity(activity, analysis.ACTIVE)
figure

# %% [markdown]
# Each box holds all dimensions of all seeds. White line: the median. Height on this axis is a logarithm: one unit up is
# a factor of 2.7.
#
# ## Collapsed dimensions, counted

# %%
counts = analysis.activity_counts(activity, analysis.ACTIVE)
count_table = (
    counts.groupby(["strategy", "kl_weight", "which"], sort=False)
    .agg(
        dimensions=("dimensions", "first"),
        collapsed=("collapsed", "mean"),
        fewest=("collapsed", "min"),
        most=("collapsed", "max"),
        mean_log_activity=("mean_log_activity", "mean"),
    )
    .reset_index()
)
count_table.style.format(
    {"kl_weight": "{:g}", "collapsed": "{:.1f}", "mean_log_activity": "{:.2f}"}, escape="html"
).hide()

# %% [markdown]
# ## The verdict
#
# First the claim about collapse, then differences in mean log activity, paired by seed, with 95 % intervals.

# %%
collapsed = counts.set_index(["strategy", "kl_weight", "which", "seed"])["collapsed"]
of_base, of_dmrec = collapsed["base", 1.0, "fused"], collapsed["mddm", 1.0, "fused"]
if of_base.any():
    saved = analysis.mean_interval((of_base - of_dmrec).to_numpy())
    about_collapse = f"DMRec-M keeps {saved:+} more dimensions alive than the base: {analysis.verdict(saved)}"
else:
    about_collapse = (
        f"No dimension of the base has collapsed, with any seed: 'DMRec keeps more alive' {analysis.verdicts.UNTESTED}"
    )
print(about_collapse)


# %%
def mean_log_activity(strategy, which, kl_weight=1.0):
    is_it = (counts["strategy"] == strategy) & (counts["which"] == which) & (counts["kl_weight"] == kl_weight)
    return counts[is_it].set_index("seed")["mean_log_activity"]


base, cheap_base = mean_log_activity("base", "fused"), mean_log_activity("base", "fused", lam)
comparisons = {
    "DMRec-M, decoded mean, against the base": mean_log_activity("mddm", "fused") - base,
    "DMRec-M, mean of q alone, against the base": mean_log_activity("mddm", "collaborative") - base,
    f"base with KL weight {lam:g}, against the base": cheap_base - base,
    f"DMRec-M, decoded mean, against the base with KL weight {lam:g}": mean_log_activity("mddm", "fused") - cheap_base,
}
rows = []
for what, per_seed in comparisons.items():
    interval = analysis.mean_interval(per_seed.to_numpy())
    row = {"comparison": what, "difference": interval.mean, "low": interval.low, "high": interval.high}
    rows.append(row | {"'more active'": analysis.verdict(interval)})
verdicts = pd.DataFrame(rows)
verdicts.style.format(
    {"difference": "{:+.2f}", "low": "{:+.2f}", "high": "{:+.2f}"}, na_rep="one seed", escape="html"
).hide()

# %% [markdown]
# Read the rows in order. The first is the paper's claim, for the mean that is decoded. The second is the same claim for
# the collaborative encoder alone: in the published code the encoder is a *residual* on top of the language branch, and
# MDDM pulls it to zero (notebook 04), so its own dimensions should be far *less* active. The third is the control: how
# much activity a cheaper prior buys without any text. The fourth is what is left for the language.

# %%
first, control, rest = (verdicts["difference"].iloc[k] for k in (0, 2, 3))
decided = verdicts["'more active'"].iloc[3]
print(
    f"Log activity of the decoded mean over the base: {first:+.2f}. Of a base whose prior has the same weight: "
    f"{control:+.2f}. Left for the language: {rest:+.2f} ('more active' {decided})."
)

# %% [markdown]
# The same four rows, kept from runs on real data:

# %%
on_real_data = real_data.kept_on("07_dimension_activity")
print(f"{len(on_real_data)} real data sets have been run here")
for made_of, kept_numbers, facts in on_real_data:
    print(f"{made_of}, λ = {facts['lam']:g}: dimensions, those below {facts['collapsed_below']:g}, log activity")
    columns = ["strategy", "kl_weight", "which", "dimensions", "collapsed", "mean_log_activity"]
    dimensions, differences = (pd.DataFrame(kept_numbers[table]) for table in ("collapsed", "verdicts"))
    display(dimensions[columns].style.format(precision=2, escape="html").hide())
    display(differences.style.format(precision=2, na_rep="one seed", escape="html").hide())

# %% [markdown]
# ## What a dimension is about
#
# Pick two dimensions by their rank in activity. Each dot is a user; the axes say which items the decoder ranks higher
# at either end; hover to see what a user clicked. The numbered users are the ones that move the dimension most.

# %%
by_seed = {(r.spec.strategy, r.spec.kl_weight): r for r in results if r.spec.seed == first_seed}
views = {
    "DMRec-M, decoded": analysis.dimensions_of(by_seed["mddm", 1.0], data),
    "DMRec-M, q alone": analysis.dimensions_of(by_seed["mddm", 1.0], data, "collaborative"),
    "base": analysis.dimensions_of(by_seed["base", 1.0], data),
}
panels.explore(partial(live.draw_dimensions, views, data), **live.dimension_controls(views), **live.DIMENSIONS_PANEL)

# %%
view, sizes = views["DMRec-M, q alone"], np.diff(data.train.indptr)
distance = np.linalg.norm(view.means - view.means.mean(0), axis=1)
few, many = (distance[rows].mean() for rows in (sizes <= np.median(sizes), sizes > np.median(sizes)))
print(f"mean distance from the centre, q alone: {few:.2f} with few items, {many:.2f} with many")

# %% [markdown]
# ## Paper vs code
#
# | | the paper | here |
# |---|---|---|
# | which mean | not said | both |
# | formula | named, not printed | $\mathrm{Var}_u(E_q[z_k])$, natural logarithm |
# | base | weight of its prior not varied | also with the prior at DMRec's λ |
# | users | not said | all users, without dropout |
#
# ## What we checked

# %%
shifted = analysis.dimension_activity(means.numpy() + 100)
checked.assert_close("activity does not change when all users move together", shifted, by_hand)
q_alone = analysis.posterior_means(by_seed["mddm", 1.0].model(data), data, "collaborative")
text_alone = analysis.posterior_means(by_seed["mddm", 1.0].model(data), data, "language")
fused = analysis.posterior_means(by_seed["mddm", 1.0].model(data), data)
checked.assert_close("the decoded mean is the sum of both branches", q_alone + text_alone, fused, atol=1e-4)
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. The means of dimension $k$ are 0.1 for half of the users and -0.1 for the other half. What is $a_k$, and is it
#    collapsed by the threshold above? Answer with a pair such as `(0.5, True)`.
# 2. Two branches are added. In one dimension their activities are 0.3 and 0.5, and their means are uncorrelated over
#    users. What is the activity of the sum?
# 3. Write how many dimensions have collapsed, a function of the means, `(users, d)`, as a numpy array.

# %%
answer_1 = None
answer_2 = None
answer_3 = None  # def answer_3(means): ...

notebook.check("07.1", answer_1)
notebook.check("07.2", answer_2)
notebook.check("07.3", answer_3)

# %% [markdown]
# ## Keep the figure and its numbers

# %%
quartiles = (
    activity.groupby(["strategy", "kl_weight", "which"], sort=False)["log_activity"]
    .quantile([0.0, 0.25, 0.5, 0.75, 1.0])
    .unstack()
    .rename(columns=lambda q: f"q{100 * q:g}")
    .reset_index()
)
numbers = {"quartiles": quartiles, "collapsed": count_table, "verdicts": verdicts}
numbers = {name: analysis.for_json(table) for name, table in numbers.items()}
path = lesson.keep("07_dimension_activity", figure, numbers, results, lam=lam, collapsed_below=analysis.ACTIVE)
print(path.name)
