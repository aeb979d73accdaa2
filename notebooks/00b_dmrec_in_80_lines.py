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
# # 00b · DMRec in 80 lines and one user
#
# *Core path, about 20 minutes. Reads after 00, next: 04.*
#
# *As a page: `make site`, then open `build/site/notebooks/00b_dmrec_in_80_lines.html`.*
#
# Notebook 00 showed *that* DMRec changes a recommendation. This one shows *how*, with nothing hidden: the whole model
# in plain PyTorch, in eighty lines, for one user whom we follow from the first click to the last number. Notebooks 02
# to 05 go on with this user.
#
# **You will be able to** say what each of the three distributions is made of, compute the loss by hand, point at the
# lines in which the paper's equations and the authors' published code differ, and say what they do to a user.
#
# **Two variants**, as in 00: `published` is the authors' code, and the default of every notebook that trains; `paper`
# is the equations.
#
# **Symbols.** $u$ is a user, $i$ an item, $N$ the number of items. The *latent taste* $z_u$ is a point in $d$
# dimensions that nobody observes; $d$ is 200 in the paper and 2 here, so that we can draw it. λ is `lam` in code.

# %% tags=["parameters"]
dataset = "toy"  # or the folder of your own data
embedder = "auto"  # what turns texts into vectors
seed = 2024
user = 0  # the user we follow; notebook 00 looks at the same one
lam = 0.5  # lambda
steps = 150  # of training, 600 users each
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
from time import perf_counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from torch import nn
from torch.nn import functional as F

from dmrec_core import DMRec, MetaNetwork, MultVAE, analysis, evaluate, language, notebook, panels, user_batch
from dmrec_core.figures import kept, twins

lesson = notebook.begin(dataset, embedder, "cpu", seed, figures_dir, user=user, lam=lam, steps=steps)
data, checked = lesson.data, lesson.checked
torch.set_default_dtype(torch.float64)  # so that "equal" below means equal to six digits behind the point
titles = data.titles or [f"item {i}" for i in range(data.n_items)]
with_text = data.profiles is not None or data.titles is not None
written = language.user_texts(data)[user][:600] if with_text else "(this data set came with vectors, not with texts)"
clicked = "; ".join(titles[i] for i in data.train[user].indices)
notebook.table([("clicked", clicked), ("the text about them", written)], (f"user {user}", ""))

# %% [markdown]
# That is all we know of them. As numbers:
#
# - $x_u\in\{0,1\}^N$: their row of the training matrix, 1 where they clicked;
# - $w_u$ and the rows $w_i$ of $W_{\mathcal I}$: the texts about the user and about each item, as vectors of $d_s$
#   numbers, made once by an embedder and never trained. The paper's embedder is a language model; on `toy` it is
#   *TF-IDF*, which counts a text's words and weighs each by how rare it is (notebook 01).

# %% tags=["model"]
W_I, w = torch.tensor(data.language.item).double(), torch.tensor(data.language.user).double()
N, d_s = W_I.shape
d, hidden = 2, 32


def clicks(users):  # x_u, one row a user
    return torch.from_numpy(data.train[users].toarray()).double()


# %% [markdown]
# ## Three networks
#
# Each is two layers with a tanh between them. The **encoder** reads clicks, the **meta-network** reads texts (and
# clicks), the **decoder** turns a taste into one number an item. A distribution over tastes is a **Gaussian** with
# independent dimensions: a mean $\mu$ and a variance $\sigma^2$ for each, kept as $\log\sigma^2$, which may be any
# number.


# %% tags=["model"]
class Gaussian(NamedTuple):
    mean: torch.Tensor  # (users, d)
    logvar: torch.Tensor  # (users, d)


def two_layers(wide, out):
    return nn.Sequential(nn.Linear(wide, hidden), nn.Tanh(), nn.Linear(hidden, out))


def networks():
    torch.manual_seed(seed)
    parts = {"encoder": two_layers(N, 2 * d), "meta": two_layers(d_s, 2 * d), "decoder": two_layers(d, N)}
    return nn.ModuleDict(parts)


# %% [markdown]
# ## Clicks → q, texts and clicks → p
#
# The **collaborative** distribution comes from the clicks alone; $\phi$ are the encoder's weights:
#
# $$q_\phi(z_u|x_u) = \mathcal N(\mu_\phi, \mathrm{diag}\,\sigma_\phi^2) \tag{3}$$
#
# The **language** distribution comes from texts, but *whose* texts? The user's own, and those of every item they
# clicked. So the meta-network (weights $\varphi$) reads the clicks, too:
#
# $$g = W_{\mathcal I}^\top x_u + w_u, \qquad \mathcal N(\mu_\varphi, \Sigma_\varphi) = f_\varphi(g) \tag{6, 7}$$
#
# We write $p$ for it. The paper writes $p_\varphi(z_u|s_u)$, as if it read the texts $s_u$ only.


# %% tags=["model"]
def q_of(net, x):
    return Gaussian(*net["encoder"](x).chunk(2, dim=-1))  # the first half is the mean


def p_of(net, x, users):
    return Gaussian(*net["meta"](x @ W_I + w[users]).chunk(2, dim=-1))  # Eq. 7, then Eq. 6


# %% [markdown]
# ## Fused, and read back
#
# The taste $z_u$ is drawn from neither, but from the **fused** posterior (what is believed once both clicks and texts
# have been seen), which no equation of the paper states. Means
# are added. The paper speaks of a sum of two variables, whose variances would add; the code adds *log*-variances, so
# variances are multiplied. The draw is $z = \mu + \sigma\epsilon$ with noise $\epsilon\sim\mathcal N(0, I)$, so that
# the gradient reaches $\mu$ and $\sigma$. The **reconstruction** asks how well the decoder guesses the clicks from $z$;
# $f_\theta$ is the decoder, and a softmax turns its numbers into probabilities that sum to 1:
#
# $$L_{rec} = -\sum_i x_{ui}\log\mathrm{softmax}(f_\theta(z_u))_i \tag{18}$$


# %% tags=["model"]
def fuse(q, p, variant):
    published = q.logvar + p.logvar
    return Gaussian(q.mean + p.mean, published if variant == "published" else torch.logaddexp(q.logvar, p.logvar))


def draw(g, noise):
    return g.mean + (g.logvar / 2).exp() * noise


def reconstruction(net, z, x):
    return -(x * net["decoder"](z).log_softmax(dim=-1)).sum(-1)


# %% [markdown]
# ## The matching loss
#
# $D_{KL}(a\|b)$, the Kullback-Leibler divergence, is 0 where two Gaussians agree and grows as $a$ puts mass where $b$
# has none; its unit is the nat, as its logarithms are natural logarithms. The **prior** $p_z=\mathcal N(0, I)$ is a
# user of whom nothing is known.
#
# Where does a pull to the prior come from? Nobody can add up how probable a user's clicks are over all tastes,
# but a guess $q$ of the taste gives a **lower bound** of it (of the *evidence*, as it is called; 02 derives it):
# $\log p(x_u) \ge E_q[\log p_\theta(x_u|z)] - D_{KL}(q\,\|\,p_z)$. The base model makes its negative small: $L_{rec}$
# plus one KL term. As published, DMRec puts another guess, the fused one, into it, and a matching term beside it.
#
# $L_{DM}$ has two parts, a pull to the prior and a **matching term** between the spaces.
# λ weighs the second in **GODM** ("global optimality": how far one Gaussian must be carried to become the other, Eq. 9)
# and **CPDM** ("composite prior": both meet half-way, Eq. 11 and 12; 04 derives them). In **MDDM** ("mixing
# divergence"), the paper's best, it *shares out* one budget:
#
# $$L_{MDDM} = \lambda\,D_{KL}(\cdot\,\|\,p_z) + (1-\lambda)\,D_{KL}(\cdot\,\|\,p) \tag{15}$$
#
# What stands for the dot? In the **paper** $q$, in the **published** code the fused posterior. It is the first line of
# `matching` below. At λ = 1 nothing is matched; at λ = 0 nothing pulls to the prior and only $p$ is left.


# %% tags=["model"]
def kl(a, b):  # Eq. 14
    ratio, gap = (a.logvar - b.logvar).exp(), (a.mean - b.mean) ** 2 / b.logvar.exp()
    return 0.5 * (ratio + gap - 1 + b.logvar - a.logvar).sum(-1)


def transport(a, b):  # Eq. 9, a square
    return ((a.mean - b.mean) ** 2 + ((a.logvar / 2).exp() - (b.logvar / 2).exp()) ** 2).sum(-1)


def half_way(a, b, variant):  # Eq. 11 as one Gaussian
    mean, logvar = (a.mean + b.mean) / 2, (a.logvar + b.logvar) / 2
    if variant == "paper":
        logvar = ((a.logvar.exp() + b.logvar.exp()) / 2 + (a.mean - b.mean) ** 2 / 4).log()
    return Gaussian(mean, logvar)


def matching(strategy, variant, q, p, fused, lam):
    dot = fused if variant == "published" else q  # where paper and code part
    prior = kl(dot, Gaussian(torch.zeros(d), torch.zeros(d)))
    if strategy == "godm":
        squared = transport(p, q)
        return prior, lam * ((squared + 1e-7).sqrt() if variant == "published" else squared)
    if strategy == "cpdm":
        middle = half_way(dot, p, variant)
        return prior, lam * (kl(p, middle) + kl(dot, middle))
    return lam * prior, (1 - lam) * kl(dot, p)


# %% [markdown]
# ## The loss, and training
#
# $$L_{DMRec} = L_{rec} + L_{DM} \tag{19}$$
#
# While training, each click is dropped with probability 0.3, for the encoder and the meta-network alike: a model that
# sees every click would learn to copy them. Nothing stops a gradient, so matching trains both networks.


# %% tags=["model"]
def terms(net, users, lam, strategy="mddm", variant="published", drop=0.3):
    x = clicks(users)
    seen = F.dropout(x, drop)
    q, p = q_of(net, seen), p_of(net, seen, users)
    fused = fuse(q, p, variant)
    z = draw(fused, torch.randn(len(users), d))
    return reconstruction(net, z, x), *matching(strategy, variant, q, p, fused, lam)


def train(net, steps, lam, **which):
    adam = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(steps):
        users = torch.randperm(len(w))[:600].numpy()
        loss = sum(terms(net, users, lam, **which)).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return net


# %% [markdown]
# That was DMRec. What do these lines make of our user, before any matching? We train with λ = 1, so that both spaces
# have something to say, and look at them through all six losses, three strategies in two variants, at the λ of the
# parameters.

# %%
start = perf_counter()
net = train(networks(), steps, lam=1.0)
us = np.array([user])
x = clicks(us)
with torch.no_grad():
    q, p = q_of(net, x), p_of(net, x, us)
print(f"{steps} steps in {perf_counter() - start:.1f} s")
for name, g in {"q": q, "p": p, "fused": fuse(q, p, "published")}.items():
    mean, std = g.mean[0].numpy().round(2), (g.logvar[0] / 2).exp().numpy().round(2)
    print(f"{name:>5}: mean {mean}, σ {std}")
rows = [
    {"strategy": strategy.upper(), "variant": variant, "prior": float(prior), "matching": float(match)}
    for strategy in ("godm", "cpdm", "mddm")
    for variant in ("published", "paper")
    for prior, match in [matching(strategy, variant, q, p, fuse(q, p, variant), lam)]
]
side_by_side = pd.DataFrame(rows).set_index(["strategy", "variant"]).unstack()
side_by_side.round(3)

# %% [markdown]
# ## One gradient step
#
# Now the matching is switched on, and $q$ and $p$ take one step against the gradient (downhill: each number moves a
# little in the direction that makes the loss smaller fastest); the decoder stays. The fused mean is their
# sum, so its arrow is the sum of theirs. To see who pulls where, let one part of the loss pull at a time.

# %%
RATE = 0.2  # length of the step
noise = torch.randn(400, d, generator=torch.Generator().manual_seed(seed))  # the same draws for every λ
PULLS = ["reconstruction", "prior", "matching", "all three"]


def step(lam, variant, pull):
    leaves = [side.clone().requires_grad_() for side in (*q, *p)]
    mine, theirs = Gaussian(*leaves[:2]), Gaussian(*leaves[2:])
    both = fuse(mine, theirs, variant)
    losses = reconstruction(net, draw(both, noise), x).mean(), *matching("mddm", variant, mine, theirs, both, lam)
    loss = sum(losses) if pull == "all three" else losses[PULLS.index(pull)]
    slopes = torch.autograd.grad(loss.sum(), leaves, materialize_grads=True)
    moved = [leaf.detach() - RATE * slope for leaf, slope in zip(leaves, slopes, strict=True)]
    after = Gaussian(*moved[:2]), Gaussian(*moved[2:])
    rows = []
    for space, was, now in (
        ("collaborative", q, after[0]),
        ("language", p, after[1]),
        ("fused", fuse(q, p, variant), fuse(*after, variant)),
    ):
        row = {"variant": variant, "pull": pull, "space": space}
        for g, when in ((was, ""), (now, "_after")):
            for k in range(d):
                row |= {f"mean_{k + 1}{when}": float(g.mean[0, k])}
                row |= {f"std_{k + 1}{when}": float((g.logvar[0, k] / 2).exp())}
        rows.append(row)
    return rows


def draw_step(lam, pull):
    return kept.gradient_steps(pd.DataFrame(step(lam, "published", pull) + step(lam, "paper", pull)))


# %% [markdown]
# Move λ: nothing is trained, the step is computed anew. **What the slider teaches: λ decides how long the arrows of
# prior and matching are, and the variant decides where they point.**

# %%
panels.explore(draw_step, lam=(0.0, 1.0, 0.05, lam), pull=(PULLS, "matching"), **panels.questions.STEP)

# %%
table = pd.DataFrame([row for variant in ("published", "paper") for pull in PULLS for row in step(lam, variant, pull)])
everywhere = [
    row | {"lam": float(at)}
    for at in np.linspace(0, 1, 21).round(2)
    for variant in ("published", "paper")
    for pull in PULLS
    for row in step(float(at), variant, pull)
]
moved = np.hypot(table["mean_1_after"] - table["mean_1"], table["mean_2_after"] - table["mean_2"])
length = {(r.variant, r.pull, r.space): value for r, value in zip(table.itertuples(), moved, strict=True)}
published_p, paper_p = (length[variant, "matching", "language"] for variant in ("published", "paper"))
checked.assert_true("published: matching does not move p's mean", published_p < 1e-12, f"by {published_p:.0e}")
if lam < 1:
    checked.assert_true("paper: it does", paper_p > 1e-3, f"by {paper_p:.3f}")
published_q, paper_q = (length[variant, "matching", "collaborative"] for variant in ("published", "paper"))
Markdown(
    f"**In one step at λ = {lam:g}, the matching term moves** q by {published_q:.2f} and p by {published_p:.2f} as "
    f"published, and q by {paper_q:.2f} and p by {paper_p:.2f} in the paper's equations."
)

# %% [markdown]
# Why is p left alone? The fused posterior *contains* p. Write $\mu_q, \sigma_q^2$ for the mean and variance of $q$
# ($\mu_\phi, \sigma_\phi^2$ above) and $\mu_p, \sigma_p^2$ for those of $p$. Put $\mu_q+\mu_p$ and
# $\log\sigma_q^2+\log\sigma_p^2$ into $D_{KL}(\text{fused}\|p)$, and $\mu_p$ cancels ($k$ counts the dimensions):
#
# $$D_{KL}(\text{fused}\,\|\,p) = \tfrac12\sum_k\Big[\sigma_{q}^2 - 1 - \log\sigma_{q}^2 + \mu_{q}^2/\sigma_{p}^2\Big]$$
#
# As published, $q$ is a *correction* of the text, and MDDM asks for a small one: the term is zero at
# $q = \mathcal N(0, I)$, whatever $p$ is. Notebook 09 shows what follows as λ goes to 0.
#
# ## The whole model, trained
#
# From fresh weights, with the published loss at the λ of the parameters.

# %%
start = perf_counter()
net = train(networks(), 2 * steps, lam)
print(f"{2 * steps} steps in {perf_counter() - start:.1f} s")
with torch.no_grad():
    q, p = q_of(net, x), p_of(net, x, us)
    fused = fuse(q, p, "published")
    scores = net["decoder"](fused.mean).masked_fill(x > 0, -torch.inf)[0]  # z is the mean; clicked items are left out
    everyone = np.arange(min(600, data.n_users))
    X = clicks(everyone)
    sides = {"q": q_of(net, X), "p": p_of(net, X, everyone)}
    from_prior = {name: float(kl(g, Gaussian(torch.zeros(d), torch.zeros(d))).mean()) for name, g in sides.items()}
held_out = data.test[user].indices
top = scores.argsort(descending=True)[:20].numpy()
print("top 5:", "; ".join(("✓ " if i in held_out else "") + titles[i] for i in top[:5]))
who = "p carries the user, q hardly corrects it" if from_prior["q"] < from_prior["p"] else "q carries more than p"
print(f"mean divergence from N(0, I): q {from_prior['q']:.2f} nats, p {from_prior['p']:.2f}: {who}")

# %% [markdown]
# ## What we checked
#
# The same weights go into `dmrec_core`, the kit's own model, and every term of every loss comes out the same.


# %%
def core_with(net, **which):
    core = DMRec(MultVAE(N, hidden, d, dropout=0.0), MetaNetwork(w, W_I, d, hidden), **which)
    mine = net.state_dict()
    names = {"encoder.0": "backbone.encoder_input", "encoder.2": "backbone.encoder_heads"}
    names |= {"decoder.0": "backbone.decoder_hidden", "decoder.2": "backbone.decoder_output"}
    names |= {f"meta.{layer}": f"meta_network.layers.{layer}" for layer in (0, 2)}
    theirs = {f"{core}.{kind}": mine[f"{own}.{kind}"] for own, core in names.items() for kind in ("weight", "bias")}
    theirs["backbone.encoder_input.weight"] = theirs["backbone.encoder_input.weight"].T  # stored item by item
    core.load_state_dict(theirs)
    return core


for strategy in ("godm", "cpdm", "mddm"):
    for variant in ("published", "paper"):
        torch.manual_seed(seed)
        by_hand = terms(net, everyone, lam, strategy, variant, drop=0.0)
        generator = torch.Generator().manual_seed(seed)
        core = core_with(net, strategy=strategy, lam=lam, variant=variant)
        found = core.loss(user_batch(data.train, everyone, generator=generator))
        for term, mine in zip(("reconstruction", "prior", "matching"), by_hand, strict=True):
            checked.assert_close(f"{strategy}, {variant}: {term}", mine, found.terms[term], rtol=0, atol=1e-6)
        checked.assert_close(f"{strategy}, {variant}: loss", sum(by_hand).mean(), found.total, rtol=0, atol=1e-6)

# %%
core = core_with(net, strategy="mddm", lam=lam)
judged = evaluate(core, data)
if len(held_out):
    recall = np.isin(top, held_out).sum() / len(held_out)
    checked.assert_close(f"Recall@20 of user {user}", recall, judged.per_user["recall@20"][judged.users == user][0])
print(f"Recall@20 over all users, with two latent dimensions: {judged.means()['recall@20']:.3f}")
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. Predict, then compute: our user's $q$ becomes exactly $\mathcal N(0, I)$, and $p$ stays. How many nats is
#    $D_{KL}(\text{fused}\|p)$?
# 2. Write `answer_2 = lambda q, p: …`, the published matching term of MDDM at λ = 0 for our user, without `p.mean`.

# %%
answer_1 = None
answer_2 = None

nobody = Gaussian(torch.zeros(1, d), torch.zeros(1, d))
notebook.check(
    "Exercise 00b.1", answer_1, truth=float(kl(fuse(nobody, p, "published"), p)), hint="Look at the formula above."
)
notebook.check(
    "Exercise 00b.2",
    answer_2,
    truth=lambda mine: torch.allclose(mine(q, Gaussian(None, p.logvar)), kl(fused, p)),
    hint="The formula above, in torch: logvar.exp() is σ², and .sum(-1) adds the dimensions.",
)

# %% [markdown]
# ## Keep the figure and its numbers
#
# One step at the λ of the parameters; rings are one σ wide, faint where they will be. Read (c) against (g). Beside it
# goes the step at every λ as one HTML file with a slider that needs no Python.

# %%
figure = kept.gradient_steps(table)
figure

# %%
numbers = {"lam": lam, "user": user, "steps": analysis.for_json(table), "from_prior": from_prior}
numbers |= {"recall@20": judged.means()["recall@20"], "matching": rows}
path = lesson.keep("00b_dmrec_in_80_lines", figure, numbers)
page = twins.write_one_step(path.with_suffix(".html"), pd.DataFrame(everywhere), lam, lesson.facts())
print(path.name, page.name)
