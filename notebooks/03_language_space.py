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
# # 03 · The language space: from text vectors to a distribution over tastes
#
# *Appendix, about 30 minutes: the meta-network from the bottom. Reads best after 02.*
#
# *As a page: `make site`, then open `build/site/notebooks/03_language_space.html`.*
#
# Notebook 01 turned every user and every item into a text vector. A vector is a point: it says *what*, but not *how
# sure*. DMRec passes it through a small **probabilistic meta-network**, which answers with a Gaussian in the same
# latent space as that of the encoder, the network that reads clicks (notebook 02). Only then can the two be matched.
# What the taste $z$ is drawn from is the **fused** distribution: both put together.
#
# **You will be able to** compute the meta-network's input and output by hand, say what makes the language side sure of
# itself, and measure which of the two branches tells users apart after training.
#
# **Symbols used throughout**
#
# - $w_u, w_i\in\mathbb R^{d_s}$: the text vectors of user $u$ and item $i$ (Eq. 5, notebook 01). They are data and
#   never trained. $d_s$ is 1536 for the paper's embedder.
# - $W_{\mathcal I}\in\mathbb R^{N\times d_s}$: all item vectors, one a row.
# - $M(u)$: the items user $u$ interacted with; $x_u\in\{0,1\}^N$: the same as a row of zeros and ones.
# - $\varphi$: the meta-network's weights.
# - $p_\varphi(z_u|s_u)=\mathcal N(\mu_\varphi,\Sigma_\varphi)$: the **language distribution** of the user's taste;
#   $s_u$ stands for the texts.

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
embedder = "auto"  # what turns texts into vectors
device = "auto"
seeds = 3  # for what is said about training; pictures show the first seed's model
first_seed = 2024
user = 0  # the user we follow, as in 00 and 00b
lam = 0.5  # lambda of the trained models
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import numpy as np
import pandas as pd
import torch

from dmrec_core import (
    DiagonalGaussian,
    InteractionRows,
    MetaNetwork,
    Spaces,
    UserBatch,
    analysis,
    base_network,
    notebook,
    panels,
    runs,
    top_items,
    user_batch,
)
from dmrec_core.figures import kept, live

lesson = notebook.begin(dataset, embedder, device, seeds, figures_dir, first_seed=first_seed, user=user, lam=lam)
data, checked = lesson.data, lesson.checked

# %% [markdown]
# ## Eq. 7: the base network $g$
#
# The meta-network's input is one vector a user. It has no weights of its own:
#
# - $W_{\mathcal I}^\top x_u=\sum_{i\in M(u)} w_i$: the **sum** of the vectors of the user's items;
# - $w_u$: the vector of the user's own profile, a bias: it is there even if the user has clicked nothing.
#
# $$g(x_u,w_u,\{w_i\}_{i\in M(u)})=W_{\mathcal I}^{\top}x_u+w_u \tag{7}$$

#
# For our user of 00b, twice: as they are, and before their first click.

# %%
W = torch.as_tensor(data.language.item).float()  # (N, d_s)
w = torch.as_tensor(data.language.user[[user, user]]).float()  # (2, d_s), the same text
clicked = data.train.indices[data.train.indptr[user] : data.train.indptr[user + 1]]
x = torch.zeros(2, data.n_items)
x[0, clicked] = 1  # the second row stays empty
by_hand = x @ W + w  # (2, N) @ (N, d_s) + (2, d_s)
print("x", tuple(x.shape), "W", tuple(W.shape), "g", tuple(by_hand.shape))
print(f"{len(clicked)} clicks: ‖g‖ = {by_hand[0].norm():.2f}; no click: ‖g‖ = {by_hand[1].norm():.2f}")

# %%
rows = InteractionRows(  # x, sparse
    items=torch.as_tensor(clicked).long(), offsets=torch.tensor([0, len(clicked)]), values=None, n_items=data.n_items
)
checked.assert_close("Eq. 7 by hand equals the core", by_hand, base_network(rows, W, w))
notebook.show_source(base_network)

# %% [markdown]
# It is a sum and not a mean, so $g$ is **longer for busier users**. With vectors of length 1 that are all alike, a user
# with $n_u$ items would have $\|g\| = n_u+1$. The more the items' texts differ, the more they cancel. The figure at the
# end of this notebook shows both.
#
# While training, $x_u$ is a row with holes: some items are dropped and the rest scaled by $1/(1-\text{dropout})$. The
# same holes are in the encoder's input. $w_u$ is never dropped.

# %%
generator = torch.Generator().manual_seed(first_seed)
many = torch.stack([base_network(rows.dropout(0.3, generator), W, w) for _ in range(4000)])
along = many[:, 0] @ by_hand[0] / by_hand[0].norm()  # how long each g is in the direction of the whole one
error = float(along.std() / len(along) ** 0.5)
whole = float(by_hand[0].norm())
checked.assert_within("dropout leaves Eq. 7 right on average", float(along.mean()), whole, error)

# %% [markdown]
# ## Eq. 6: the meta-network $f_\varphi$
#
# - Two fully connected layers with a tanh between them: $d_s \to 600 \to 2d$ in the published code.
# - The $2d$ outputs are split: the first half is $\mu_\varphi$, the second half $\log\sigma^2_\varphi$.
#
# $$\mathcal N(\mu_\varphi,\Sigma_\varphi)=f_\varphi\big(g(x_u,w_u,\{w_i\}_{i\in M(u)})\big),
# \qquad f_\varphi:\mathbb R^{d_s}\to\mathbb R^{2d} \tag{6}$$

# %%
torch.manual_seed(first_seed)
meta = MetaNetwork(user_vectors=w, item_vectors=W, latent=2, hidden=5)  # d_s -> 5 -> 4
first, _, second = meta.layers
hidden = torch.tanh(by_hand @ first.weight.T + first.bias)  # (2, d_s) -> (2, 5)
outputs = hidden @ second.weight.T + second.bias  # (2, 5) -> (2, 4)
mu, logvar = outputs[:, :2], outputs[:, 2:]
print("hidden", tuple(hidden.shape), "outputs", tuple(outputs.shape), "mean", tuple(mu.shape))
print("σ", torch.exp(0.5 * logvar).detach())

# %%
batch = UserBatch(users=torch.tensor([0, 1]), rows=rows, inputs=rows)
p = meta(batch)
checked.assert_close("Eq. 6, mean by hand", mu, p.mean)
checked.assert_close("Eq. 6, log-variance by hand", logvar, p.logvar)
checked.assert_true("the vectors are not trained", not any("vectors" in name for name, _ in meta.named_parameters()))
notebook.show_source(MetaNetwork.forward, DiagonalGaussian.from_heads)

# %% [markdown]
# **What turning a vector into a distribution means.** Before training, nothing: the second half of the outputs is
# called a log-variance, but no loss has told it so. It becomes an uncertainty because, in training, $z$ is *drawn* from
# it: too wide, and the decoder cannot tell what the user likes; too narrow, and the prior term (Eq. 2) costs more than
# the precision is worth. Uncertainty is learnt from clicks. No text says "I am unsure about this user".
#
# ## A user clicks, and both spaces watch
#
# Two trained models with two latent dimensions, so that we can see them: DMRec-G, whose strategy is GODM (*global
# optimality for distribution matching*), and DMRec-M with MDDM (*mixing divergence*; both notebook 04). We show
# them none of our user's clicks, then one, then two, and so on. Rings are at one and two σ.

# %%
flat_specs = {name: lesson.spec(name, latent=2, lam=lam) for name in ("godm", "mddm")}
full_specs = {name: lesson.spec(name, lam=lam) for name in ("godm", "cpdm", "mddm")}  # for the sections below
results = lesson.sweep(*flat_specs.values(), *full_specs.values())
runs_of = [results[k : k + seeds] for k in range(0, len(results), seeds)]
flat, full = dict(zip(flat_specs, runs_of[:2], strict=True)), dict(zip(full_specs, runs_of[2:], strict=True))
models = {name: of_seeds[0].model(data) for name, of_seeds in flat.items()}
counts = np.diff(data.train.indptr)
watched = {
    (name, own): analysis.spaces_while_clicking(model, data, user, own)
    for name, model in models.items()
    for own in (True, False)
}


def title_of(item):
    return data.titles[item] if data.titles else f"item {item}"


def draw_clicks(clicks, strategy, own_text):
    last = f"after {clicks} clicks, the last: {title_of(clicked[clicks - 1])}" if clicks else "no click yet"
    return live.draw_spaces(watched[strategy, own_text], clicks, f"user {user}, {last}")


panels.explore(
    draw_clicks,
    clicks=(0, len(clicked), 1, min(3, len(clicked))),
    strategy=(["godm", "mddm"], "godm"),
    own_text=True,
    **panels.questions.CLICKS,
    presets={"no clicks": {"clicks": 0}, "all clicks": {"clicks": len(clicked)}},
)

# %%
nothing = watched["mddm", False].language.mean[0]
another = int(np.argmax(np.arange(data.n_users) != user))
same = analysis.spaces_while_clicking(models["mddm"], data, another, False).language.mean[0]
checked.assert_close("no click and no text: the same answer for everybody", nothing, same)

# %% [markdown]
# A user without clicks: $q$ is what the encoder's biases say, one Gaussian for all of them, and $p$ is what their text
# says. That text must then be one that was not made from clicks, their own words, say; without it, everybody gets the
# same ten items. The texts here are made from training items, and every user has some, so what a newcomer would get is
# not measured.
#
# Switch the strategy and watch which rings move. In numbers, how far each mean travels from no click to all of them:

# %%
ways = {}
for name in models:
    for side in ("collaborative", "language"):
        mean = getattr(watched[name, True], side).mean
        ways[f"DMRec-{name[0].upper()}", side] = float((mean[-1] - mean[0]).norm())
print("\n".join(f"{model}, {side} mean: {way:.2f}" for (model, side), way in ways.items()))

# %% [markdown]
# A collaborative mean that hardly travels leaves the fused distribution (green) to the language one (orange). We come
# back to this below, for all users and several seeds.
#
# ## What the language side says alone
#
# Decode three means for the same user: the language side's, the collaborative side's, and the fused one. Only the last
# is what the model recommends; the other two show what each branch contributes.

# %%
model = full["godm"][0].model(data)
batch = user_batch(data.train, np.array([user]))
with torch.no_grad():
    spaces = model.spaces(batch)
    columns = {}
    for name, side in spaces._asdict().items():
        scores = model.backbone.decode(side.mean)
        scores[0, batch.rows.items] = -torch.inf
        best = [i for i in top_items(scores, 10)[0].tolist() if scores[0, i] > -torch.inf]  # fewer where fewer are left
        columns[name] = [title_of(i) for i in best]
print(f"user {user} clicked: {', '.join(title_of(i) for i in clicked[:8])}{', …' if len(clicked) > 8 else ''}")
pd.DataFrame(columns, index=range(1, 1 + len(best))).rename_axis("rank")

# %%
apart = float((spaces.collaborative.mean - spaces.language.mean).norm())
size = float(spaces.fused.mean.norm())
print(f"distance of the two sides' means {apart:.2f}, length of the fused mean {size:.2f}")

# %% [markdown]
# If the first two columns look alike and that distance is small, GODM has done what it was asked to: both sides say
# nearly the same, and the fused mean, their sum, is twice either. Two branches that agree perfectly are one branch.
#
# ## Three things the sum does
#
# `norm` is $\|g\|$. `saturated` is the share of hidden units with $|\tanh| > 0.95$: they have run into the wall, and
# their slope is below a tenth of what it was. `std` is the mean σ of $p$.

# %%
untrained = runs.build_model(full["godm"][0].spec, data)
after = [analysis.language_inputs(run.model(data).meta_network, data) for run in full["godm"]]  # one table a seed
inputs = {
    "before training": analysis.language_inputs(untrained.meta_network, data),
    "after training": pd.concat(after).groupby(level=0).mean(),  # each user's mean over the seeds
}
groups = {name: analysis.by_history(table) for name, table in inputs.items()}
trained = inputs["after training"]
correlation = trained[["items", "norm"]].corr(method="spearman").iloc[0, 1]
correlation = None if np.isnan(correlation) else float(correlation)  # where all users have as many items
said = "none, as all users have as many items" if correlation is None else f"{correlation:.2f}"
print(f"rank correlation of a user's number of items and the length of the input: {said}")
pd.concat(groups).round(3)

# %%
ends = [
    analysis.by_history(table)["std"].iloc[[0, -1]].to_numpy() for table in after
]  # (quietest, busiest), a seed each
surer = analysis.mean_interval([quietest - busiest for quietest, busiest in ends])
says_surer = analysis.verdict(surer)
print(f"mean σ of p, the quietest group's minus the busiest one's, {seeds} seeds: {surer:+}")
print(f"'the trained language side is surer about busy users': {says_surer}")

# %% [markdown]
# Where this holds, the language side's width has come to follow the *number of clicks*. That is a collaborative signal:
# it arrived through $x_u$ in Eq. 7, not through any text. That is worth remembering when a figure says that "language"
# helps: Eq. 7 gives the language branch the user's whole row of clicks, in another basis.
#
# ## Which branch does the work?
#
# For each strategy, the variance over users of the mean of each branch: 0 means that the branch says the same about
# everybody.

# %%
variances = []
for strategy, of_seeds in full.items():
    for run in of_seeds:
        with torch.no_grad():
            three = run.model(data).spaces(user_batch(data.train, np.arange(data.n_users)))
        row = {name: float(side.mean.var(0).mean()) for name, side in three._asdict().items()}
        row["collaborative share"] = row["collaborative"] / (row["collaborative"] + row["language"])
        variances.append({"strategy": f"DMRec-{strategy[0].upper()}"} | row)
variances = pd.DataFrame(variances)
work = variances.groupby("strategy", sort=False).mean()
share = work["collaborative share"]
for name, rows in variances.groupby("strategy", sort=False):
    less = analysis.mean_interval(0.5 - rows["collaborative share"])  # half: both branches tell users apart alike
    print(
        f"{name}: 'the collaborative branch tells users apart less than the language branch': {analysis.verdict(less)}"
    )
work.round(3)

# %% [markdown]
# In the published MDDM and CPDM (*composite prior*, DMRec-C) the collaborative branch is a *residual*: the matching
# term pulls it to mean 0 and variance 1, and the language mean appears nowhere in that term (derived in notebook 04).
# Where its share is near zero, the branch named "collaborative" has been switched off on this data, and the model lives
# on the sum of text vectors. It still reads every click, through Eq. 7. Whether that happens on your data depends on
# the vectors: run this notebook with `dataset="yelp-xrec"`.
#
# ## The figure

# %%
examples = []
for wanted, label in ((0.1, "quiet"), (0.95, "busy")):
    chosen = int(np.argsort(counts, kind="stable")[int(wanted * data.n_users)])
    with torch.no_grad():
        one = models["godm"].spaces(user_batch(data.train, np.array([chosen])))
    examples.append((f"DMRec-G, a {label} user, items: {counts[chosen]}", Spaces(*one)))
figure = kept.language_figure(inputs, examples, work)
figure

# %% [markdown]
# ## Paper vs code
#
# | | the paper | the published code |
# |---|---|---|
# | $x_u$ in Eq. 7 | the row of clicks | the row **after dropout**, rescaled; the same holes as in the encoder |
# | $w_u$ | a bias | a bias, never dropped |
# | a draw from $p_\varphi$ | by reparameterisation | never drawn alone; one draw from the fused distribution |
# | length of vectors | not mentioned | as the embedder gives them: length 1, not centred |
# | gradient through the matching term | not mentioned | not stopped: it trains encoder and meta-network |
# | initial weights | "Xavier" | PyTorch's default |
#
# The ablation "w/o PMN" (the paper's name for the probabilistic meta-network) drops Eq. 7. Neither paper nor code says
# what then remains as input; the kit takes $w_u$ alone (`aggregate=False`, notebook 08).
#
# ## What we checked

# %%
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. A user clicked 8 items. All item vectors and $w_u$ are the same vector of length 1. How long is $g$?
# 2. Write Eq. 7 in one line, a function of `x`, `(B, N)`, `W`, `(N, d_s)`, and `w`, `(B, d_s)`.
# 3. With dropout 0.3, by which factor is the vector of an item that *stays* multiplied? Three digits.

# %%
answer_1 = None
answer_2 = None  # def answer_2(x, W, w): ...
answer_3 = None

notebook.check("03.1", answer_1)
notebook.check("03.2", answer_2)
notebook.check("03.3", answer_3)

# %% [markdown]
# ## Keep the figure and its numbers

# %%
numbers = {
    "inputs": {name: table.to_dict() for name, table in groups.items()},
    "surer_about_busy_users": {"difference": surer.mean, "low": surer.low, "high": surer.high, "verdict": says_surer},
    "variance_of_means": work.drop(columns="collaborative share").to_dict(),
    "collaborative_share": share.to_dict(),
    "rank_correlation_items_norm": correlation,
}
path = lesson.keep("03_language_space", figure, numbers, results)
print(path.name)
