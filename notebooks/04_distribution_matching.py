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
# # 04 · Distribution matching: three losses for two Gaussians
#
# *Core path, about 25 minutes. [04b](04b_matching_in_depth.ipynb), an appendix, proves what is only said here.*
#
# *As a page: `make site`, then open `build/site/notebooks/04_distribution_matching.html`.*
#
# Every user now has two distributions over the same latent space: one from what they clicked, one from what was written
# (00b shows both; 02 and 03 build them). DMRec ties them together by one of three losses: GODM (*global optimality*),
# CPDM (*composite prior*) or MDDM (*mixing divergence for distribution matching*). As printed, each makes them agree;
# as published, only GODM does, and part 5 shows what the other two do instead.
#
# **You will be able to** compute each loss by hand, say which parameter it moves and what λ does for a user with two
# clicks and for one with fifty, and point at the places where the paper's equations and the authors' code are different
# models.
#
# - $q = q_\phi(z_u|x_u) = \mathcal N(\mu_\phi, \Sigma_\phi)$: the **collaborative** distribution of user $u$, from the
#   encoder (the network that reads the clicks $x_u$); blue.
# - $p = p_\varphi(z_u|s_u) = \mathcal N(\mu_\varphi, \Sigma_\varphi)$: the **language** distribution, from the
#   meta-network. The paper writes $s_u$, texts; its network reads the clicks, too (Eq. 7). Orange.
# - $p_z = \mathcal N(0, I)$: the **prior**, what is believed of a user nothing is known about; grey.
# - **fused**: what the taste $z$ is drawn from, $q$ and $p$ put together; green.
# - $\Sigma = \mathrm{diag}(\sigma_1^2, \dots, \sigma_d^2)$: every covariance here is diagonal, stored as
#   $\log\sigma^2$.
# - $\lambda$: the coefficient between matching and prior, `lam` in code; in MDDM it is the *prior's* share. The paper's
#   source calls it $\beta$.
# - $E_q[\cdot]$: the average over draws from $q$. **nat**: the unit of a divergence taken with natural logarithms.

# %% [markdown]
# ## Paper vs code: two models under one name
#
# The numbers in the paper's tables are tied to the authors' code, with which they published logs of its runs, and the
# code is not what the equations say:
#
# | | paper: as printed | published: the code, this kit's default |
# |---|---|---|
# | fused | a sum, in words; what is drawn is undefined | means added, **log-variances** added |
# | the prior pulls on | $q$ | fused |
# | GODM | $W_2^2$ of $q$ and $p$ | $\sqrt{W_2^2 + 10^{-7}}$ of $q$ and $p$ |
# | CPDM | a mixture, with any share α of $q$ | averaged means and log-variances, α = ½; **fused** against $p$ |
# | MDDM | $q$ against $p$ | **fused** against $p$ |
#
# Adding log-variances multiplies variances, $\sigma^2=\sigma_\phi^2\,\sigma_\varphi^2$; a sum of two independent
# Gaussians would add them. So where both say $\mathcal N(\mu, \sigma^2)$, published fused is
# $\mathcal N(2\mu, \sigma^4)$, surer than either only if $\sigma < 1$, and a printed sum is
# $\mathcal N(2\mu, 2\sigma^2)$. A product of the two densities, the usual way to pool two opinions, would be
# $\mathcal N(\mu, \sigma^2/2)$.

# %% tags=["parameters"]
dataset = "toy"  # only the last check reads it: "yelp-xrec", "amazon", ..., or a folder of your own
embedder = "auto"  # what turns texts into vectors
device = "auto"
seed = 2024
lam = 0.5  # lambda of the kept figure
alpha = 0.5  # share of q in the composite prior
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import numpy as np
import pandas as pd
import torch
from torch.distributions import Normal, kl_divergence

from dmrec_core import DiagonalGaussian, gaussian, matching, notebook, panels, runs, theory, user_batch
from dmrec_core.figures import kept, live, twins

lesson = notebook.begin(dataset, embedder, device, seed, figures_dir, lam=lam, alpha=alpha)
data, checked = lesson.data, lesson.checked
torch.set_printoptions(precision=4)

# %%
# every calculation by hand below: user 0 of 00b, before the gradient step, and a made-up second; two latent dimensions
mu_q = torch.tensor([[-0.3406, 0.4341], [2.0, 0.0]], dtype=torch.float64)
std_q = torch.tensor([[0.7334, 0.7438], [1.1, 1.0]], dtype=torch.float64)
mu_p = torch.tensor([[-1.6170, -0.1065], [1.0, -1.0]], dtype=torch.float64)
std_p = torch.tensor([[0.6622, 0.5029], [1.0, 0.4]], dtype=torch.float64)
logvar_q, logvar_p = 2 * std_q.log(), 2 * std_p.log()
q, p = DiagonalGaussian(mu_q, logvar_q), DiagonalGaussian(mu_p, logvar_p)
print("means", tuple(mu_q.shape), "log-variances", tuple(logvar_q.shape), "= (users, latent dimensions)")

# %% [markdown]
# ## Part 1 · GODM: carry the mass across
#
# **GODM** measures work. Think of $p$ as a heap of sand and of $q$ as a
# hole of the same volume: $W_2$, the 2-Wasserstein distance, is the root of the cheapest plan's mean squared way (Eq.
# 8, solved in 04b). Green is the heap on its way. The dotted curve is the *other* way between two densities, to fade
# one out while the other fades in: nothing moves, and half way there are two heaps.

# %%
panels.explore(live.draw_transport, **live.CONTROLS[live.draw_transport], **panels.questions.TRANSPORT)

# %% [markdown]
# ### Eq. 9: the closed form for Gaussians
#
# - $\mathrm{Tr}$: the sum of a matrix's diagonal. $\Sigma^{1/2}$: the matrix whose square is $\Sigma$; of a diagonal
#   matrix, the standard deviations.
#
# $$D_{2\text{-}WD} = \|\mu_\varphi-\mu_\phi\|_2^2
# + \mathrm{Tr}\Big(\Sigma_\varphi+\Sigma_\phi-2\big(\Sigma_\varphi^{1/2}\Sigma_\phi\Sigma_\varphi^{1/2}\big)^{1/2}\Big)
# \tag{9}$$
#
# This is the *square* of the distance, $W_2^2$. With diagonal matrices the trace is $\|\sigma_\varphi-\sigma_\phi\|^2$.
#
# How hard does it pull? In one dimension, for equal widths $\sigma$ and means $m$ apart, $W_2^2 = m^2$ has the slope
# $2m$. Its root $W_2 = m$, which the published code takes, has the slope 1 however far apart: far users are pulled no
# harder than near ones. The divergence of Eq. 14 below is then $m^2/2\sigma^2$, with the slope $m/\sigma^2$: the surer
# the text, the harder it pulls. $W_2$ does not ask which side is surer, only how alike the widths are: its slope is 1
# at equal widths, and less otherwise (04b draws it).

# %%
cov_q, cov_p = torch.diag_embed(logvar_q.exp()), torch.diag_embed(logvar_p.exp())  # (2, 2, 2) full matrices


def root(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag_embed(values.sqrt()) @ vectors.mT


inner = root(root(cov_p) @ cov_q @ root(cov_p))
trace = torch.diagonal(cov_p + cov_q - 2 * inner, dim1=-2, dim2=-1).sum(-1)
by_hand = (mu_p - mu_q).square().sum(-1) + trace  # (2,): one number a user
print("covariances", tuple(cov_q.shape), "W2 squared per user", by_hand)

# %%
checked.assert_close("Eq. 9 with full matrices equals the diagonal core", by_hand, gaussian.wasserstein2_squared(p, q))
notebook.show_source(gaussian.wasserstein2_squared)

# %% [markdown]
# ### Eq. 10: the loss
#
# The first term, a Kullback-Leibler divergence (KL, Eq. 14 below), is the pull towards the prior that the base model, a
# variational autoencoder, has anyway. For user 0, both terms stand in 00b's table, too: GODM, paper.
#
# $$L_{GODM} = D_{KL}(q_\phi\|p_z) + \lambda\,D_{2\text{-}WD}(p_\varphi, q_\phi) \tag{10}$$

# %%
to_prior = 0.5 * (logvar_q.exp() + mu_q.square() - 1 - logvar_q).sum(-1)  # KL(q || N(0, I)), (2,)
moving = ((mu_p - mu_q) ** 2 + ((logvar_p / 2).exp() - (logvar_q / 2).exp()) ** 2).sum(-1)  # Eq. 9, (2,)
by_hand = to_prior + 0.5 * moving
print("prior", to_prior, "\n+ 0.5 ×", moving, "\n=", by_hand)

# %%
fused = matching.fuse(q, p, "paper")  # what z is drawn from; the paper's GODM does not read it
checked.assert_close("Eq. 10 by hand equals the core", by_hand, matching.godm(q, p, fused, 0.5, "paper").total)
notebook.show_source(matching.godm)

# %% [markdown]
# **Which way does it pull?** Each point is a possible $q$ in one dimension: its mean and its log-variance. Arrows point
# downhill; pale means "nothing happens here", dark "large steps". Language is held still at the orange square.

# %%
panels.explore(
    live.draw_gradient_field,
    **live.CONTROLS[live.draw_gradient_field]
    | {"strategy": (list(matching.STRATEGIES), "godm"), "lam": (0.0, 1.0, 0.05, lam)},
    **panels.questions.GRADIENT_FIELD,
)

# %% [markdown]
# ## Part 2 · Eq. 14: a divergence instead of a distance
#
# The other two strategies are made of the **Kullback-Leibler divergence**, $D_{KL}(q\|p) = E_q[\log q - \log p]$:
# how surprised somebody is who believes $p$ while $q$ is true.
#
# $$D_{KL}(q_\phi\|p_\varphi)=\tfrac12\Big[\mathrm{Tr}(\Sigma_\varphi^{-1}\Sigma_\phi)
# +(\mu_\varphi-\mu_\phi)^\top\Sigma_\varphi^{-1}(\mu_\varphi-\mu_\phi)-d
# +\log\frac{\det\Sigma_\varphi}{\det\Sigma_\phi}\Big] \tag{14}$$
#
# - $\det$: for a diagonal matrix, the product of the variances. $d$: the number of dimensions.

# %%
precision = torch.linalg.inv(cov_p)  # (2, 2, 2)
gap = (mu_p - mu_q).unsqueeze(-1)  # (2, 2, 1)
trace = torch.diagonal(precision @ cov_q, dim1=-2, dim2=-1).sum(-1)
quadratic = (gap.mT @ precision @ gap).flatten()
logdet = torch.logdet(cov_p) - torch.logdet(cov_q)
by_hand = 0.5 * (trace + quadratic - 2 + logdet)  # (2,)
print("precision", tuple(precision.shape), "KL(q‖p) per user, nats:", by_hand)

# %%
library = kl_divergence(Normal(mu_q, q.std), Normal(mu_p, p.std)).sum(-1)
checked.assert_close("Eq. 14 with full matrices equals the diagonal core", by_hand, gaussian.kl(q, p))
checked.assert_close("and torch.distributions", library, gaussian.kl(q, p))
notebook.show_source(gaussian.kl)

# %% [markdown]
# KL is not symmetric: $D_{KL}(q\|p)$ is dear where $q$ has mass and $p$ has none. Both directions are zero at $q=p$ and
# nowhere else, so with one Gaussian on each side both have the same best $q$; with several tastes on one side they do
# not (04b).

# %%
panels.explore(live.draw_kl, **live.CONTROLS[live.draw_kl], **panels.questions.BOTH_DIRECTIONS)

# %% [markdown]
# ## Part 3 · CPDM: meet in the middle
#
# **CPDM** pulls both towards a composite prior, by Eq. 11 a mixture: with
# probability $\alpha$ draw from $q$, otherwise from $p$. A divergence from a mixture has no closed form. Two stand-ins:
#
# - **moment-matched** (paper): the Gaussian with the mixture's mean and variance. Of all Gaussians it has the smallest
#   $D_{KL}$ from the mixture, and with $\alpha=\tfrac12$ of all Gaussians the smallest Eq. 12;
# - **geometric** (published): means and *log*-variances are averaged. It ignores how far apart the means are.
#
# $$D_{CP}(p_\varphi,q_\phi) = D_{KL}(p_\varphi\|p_{com}) + D_{KL}(q_\phi\|p_{com}) \tag{12}$$
#
# $$L_{CPDM} = D_{KL}(q_\phi\|p_z) + \lambda\,D_{CP}(p_\varphi,q_\phi) \tag{13}$$

# %%
a = 0.3
mean = a * mu_q + (1 - a) * mu_p  # (2, 2)
variance = a * logvar_q.exp() + (1 - a) * logvar_p.exp() + a * (1 - a) * (mu_q - mu_p) ** 2
middle = Normal(mean, variance.sqrt())
halves = [kl_divergence(Normal(side.mean, side.std), middle).sum(-1) for side in (p, q)]
by_hand = halves[0] + halves[1]  # (2,)
loss_by_hand = to_prior + 0.5 * by_hand
print("composite", tuple(mean.shape), "\nKL(p‖com)", halves[0], "\nKL(q‖com)", halves[1], "\nloss", loss_by_hand)

# %%
composite = gaussian.moment_matched_composite(q, p, alpha=0.3)
checked.assert_close("Eq. 12 by hand equals the core", by_hand, matching.composite_divergence(q, p, composite))
best = [part.requires_grad_() for part in gaussian.moment_matched_composite(q, p, alpha=0.5)]
lowest = matching.composite_divergence(q, p, DiagonalGaussian(*best)).sum()
flat_there = torch.stack(torch.autograd.grad(lowest, best))
checked.assert_close("at α = ½ the moment-matched one makes Eq. 12 smallest", flat_there, torch.zeros_like(flat_there))
checked.assert_close("Eq. 13 by hand", loss_by_hand, matching.cpdm(q, p, fused, 0.5, "paper", alpha=0.3).total)
notebook.show_source(matching.cpdm, gaussian.moment_matched_composite, gaussian.geometric_composite)

# %%
panels.explore(
    live.draw_composite,
    **live.CONTROLS[live.draw_composite] | {"alpha": (0.05, 0.95, 0.05, alpha)},
    **panels.questions.COMPOSITE,
)

# %% [markdown]
# ## Part 4 · MDDM: one budget, shared
#
# In **MDDM**, $\lambda\in[0,1]$ is a **share**: $\lambda$ of the pull
# goes to the prior, $1-\lambda$ to matching with the language distribution. So λ = 1 is no matching, λ = 0 no prior.
#
# $$L_{MDDM} = \lambda\,D_{KL}(q_\phi\|p_z) + (1-\lambda)\,D_{KL}(q_\phi\|p_\varphi) \tag{15}$$

# %%
to_language = 0.5 * ((logvar_q - logvar_p).exp() + (mu_q - mu_p) ** 2 / logvar_p.exp() - 1 + logvar_p - logvar_q).sum(
    -1
)
by_hand = 0.25 * to_prior + 0.75 * to_language  # (2,)
print("to the prior", to_prior, "\nto language", to_language, "\nshared", by_hand)

# %%
checked.assert_close("Eq. 15 by hand equals the core", by_hand, matching.mddm(q, p, fused, 0.25, "paper").total)
notebook.show_source(matching.mddm)

# %% [markdown]
# **Two divergences are one.** Collect what depends on $q$:
#
# $$\lambda D_{KL}(q\|p_z) + (1-\lambda) D_{KL}(q\|p)
# = E_q\big[\log q - \log\big(p_z^{\lambda}\,p^{1-\lambda}\big)\big]
# = D_{KL}\big(q\,\|\,\text{pool}\big) + \text{const}.$$
#
# The *pool*, the normalised product, is again a Gaussian: MDDM gives every user a **prior of their own** between the
# common prior and their text. Precisions ($1/\sigma^2$) are averaged, weighted by λ and 1 − λ, and the pool's mean
# weighs the two means by those weighted precisions. So a sure text counts for more.

# %%
standard = DiagonalGaussian(torch.zeros_like(mu_q), torch.zeros_like(logvar_q))
pool = theory.log_linear_pool(standard, p, 0.25)
one_divergence = gaussian.kl(q, pool) + theory.pool_constant(standard, p, 0.25)
checked.assert_close("MDDM is one divergence from a pooled prior", one_divergence, by_hand)
notebook.show_source(theory.log_linear_pool)

# %% [markdown]
# **Move λ.** One user, one dimension. Their items vote for $-1$, each with the same strength; the text says $+2$; the
# prior says $0$. The posterior minimises reconstruction plus $L_{DM}$. Move λ for 2 items, then press "busy user".

# %%
panels.explore(
    live.draw_posterior,
    **live.CONTROLS[live.draw_posterior] | {"lam": (0.0, 1.0, 0.05, lam)},
    **panels.questions.POSTERIOR,
)

# %% [markdown]
# Larger λ means *more* text in GODM and CPDM and *less* in MDDM; no λ-curve of one can be read like the other's:

# %%
panels.explore(live.draw_all_strategies, **live.CONTROLS[live.draw_all_strategies])

# %% [markdown]
# ## Part 5 · What the published code moves
#
# Its fused distribution already *contains* $p$. As in 00b, write $\mu_q, \sigma_q^2$ for $\mu_\phi, \sigma_\phi^2$ and
# $\mu_p, \sigma_p^2$ for $\mu_\varphi, \sigma_\varphi^2$; fused are $\mu_q+\mu_p$ and $\log\sigma_q^2+\log\sigma_p^2$.
# Put this into Eq. 14, and into CPDM ($\sigma_q$ is `s` in the code below):
#
# $$D_{KL}(\text{fused}\|p) = \tfrac12\sum_k\Big[\sigma_q^2-1-\log\sigma_q^2+\tfrac{\mu_q^2}{\sigma_p^2}\Big],\qquad
# D_{CP} = \tfrac12\sum_k\Big[\sigma_q+\tfrac1{\sigma_q}-2+\tfrac{\mu_q^2}{2\,\sigma_q\,\sigma_p^2}\Big].$$
#
# **The language mean is gone.** The collaborative branch (the encoder and its $q$; the language branch is the
# meta-network and its $p$) is a *residual* on top of the text, pulled towards "no correction" ($\mu_q = 0$,
# $\sigma_q^2 = 1$), where both terms are zero *whatever $p$ says*. The language mean learns through
# reconstruction and the prior alone; at MDDM's λ = 0 nothing pulls it to the prior. Only GODM, which matches the
# branches before they are fused, moves it. The table: the slope of the matching term in each parameter, in one
# dimension, for a $q$ of mean 0.8 and log-variance −0.5 and a $p$ of −0.4 and 0.3. A step of training goes against it:
# + moves a parameter down, and 0 leaves it.

# %%
fused = matching.fuse(q, p, "published")
mddm_by_hand = 0.5 * (logvar_q.exp() - 1 - logvar_q + mu_q**2 * (-logvar_p).exp()).sum(-1)  # no mu_p in it
checked.assert_close("published MDDM term", mddm_by_hand, matching.mddm(q, p, fused, 0.0).matching)
s = (logvar_q / 2).exp()
cpdm_by_hand = 0.5 * (s + 1 / s - 2 + mu_q**2 / (2 * s * logvar_p.exp())).sum(-1)
checked.assert_close("published CPDM term", cpdm_by_hand, matching.cpdm(q, p, fused, 1.0).matching)
pulls = {
    (name, variant): theory.pull_on_parameters(name, variant, lam)
    for name in matching.STRATEGIES
    for variant in ("published", "paper")
}
for name in ("mddm", "cpdm"):
    pull = abs(pulls[name, "published"]["language mean"])
    checked.assert_true(f"no pull on the language mean: {name}, published", pull < 1e-12, "none, to 12 digits")
pd.DataFrame(pulls).T.style.format("{:+.3f}", escape="html")

# %%
panels.explore(live.draw_who_moves, **live.CONTROLS[live.draw_who_moves], **panels.questions.WHO_MOVES)

# %% [markdown]
# ### Four names for one model
#
# λ = 1 in MDDM leaves $D_{KL}(\text{fused}\|p_z)$; so do λ = 0 in GODM and in CPDM, and "Add", one of the paper's
# *ablations* (models with a part taken away, notebook 08). In all four $z$ is drawn from the fused distribution, so
# they are one and the same model. It is **not** the base model, although the paper says that MDDM at λ = 1 returns to
# it. For a batch of users, the loss and its gradient:

# %%
ends = {"MDDM, λ = 1": ("mddm", 1.0), "GODM, λ = 0": ("godm", 0.0), "CPDM, λ = 0": ("cpdm", 0.0), "Add": ("add", 0.0)}
specs = {name: lesson.spec(strategy, lam=value, seed=seed) for name, (strategy, value) in ends.items()}
specs["base model"] = lesson.spec(seed=seed)
losses, gradients = {}, {}
for name, one_spec in specs.items():
    model = runs.build_model(one_spec, data)
    batch = user_batch(data.train, np.arange(min(64, data.n_users)), generator=torch.Generator().manual_seed(seed))
    total = model.loss(batch).total
    total.backward()
    losses[name] = total.item()
    gradients[name] = model.backbone.encoder_heads.weight.grad.clone()
for name in list(ends)[1:]:
    checked.assert_close(f"{name}: loss equals MDDM's at λ = 1", losses[name], losses["MDDM, λ = 1"])
    checked.assert_close(f"{name}: gradient, too", gradients[name], gradients["MDDM, λ = 1"])
apart = abs(losses["base model"] - losses["Add"])
checked.assert_true("the base model's loss is another one", apart > 1e-3, f"{apart:.3f} apart")

# %% [markdown]
# ## Exercises
#
# 1. $p=\mathcal N(3, 4)$ and $q=\mathcal N(0, 1)$ in one dimension (variances 4 and 1). What is Eq. 9?
# 2. A text says $p=\mathcal N(2, 0.25)$ (standard deviation 0.5). Where is the mean of MDDM's pool at λ = 0.25? First
#    predict: nearer to 0 or to 2? Three digits.
# 3. Write Eq. 15 as one line of code for the diagonal $q$, $p$ above: a function of `(q, p, lam)` that uses
#    `gaussian.kl` and `gaussian.kl_to_standard_normal`.

# %%
answer_1 = None
answer_2 = None
answer_3 = None  # def answer_3(q, p, lam): return ...

notebook.check("04.1", answer_1)
notebook.check("04.2", answer_2)
notebook.check("04.3", answer_3)

# %%
checked.show()  # what we checked

# %% [markdown]
# ## Keep the figure and its numbers
#
# What depends on the variant is drawn for both; `lam` and `alpha` in the parameters draw another. Beside it goes a
# *twin*: one HTML file with sliders for two Gaussians that needs no Python.

# %%
numbers = kept.matching_numbers(lam, alpha)
figure = kept.matching_figure(numbers)
figure

# %%
numbers |= {"pull_on_parameters": {f"{name} {variant}": pull for (name, variant), pull in pulls.items()}}
path = lesson.keep("04_distribution_matching", figure, numbers)
page = twins.write_distribution_matching(path.with_suffix(".html"), lesson.facts())
print(path.name, page.name)
