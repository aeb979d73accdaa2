# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 04 · Distribution matching: three ways to pull two Gaussians together
#
# Every user now has two distributions over the same latent space: one from what they clicked (notebook 02), one from
# what was written (notebook 03). DMRec's idea is to make them agree, and it offers three losses for it.
#
# **You will be able to** compute each loss by hand, say which parameter it moves and where it stops working, explain
# what λ does for a user with two clicks and for one with fifty, and point at the places where the paper's equations and
# the authors' code are different models.
#
# **Symbols used throughout**
#
# - $q = q_\phi(z_u|x_u) = \mathcal N(\mu_\phi, \Sigma_\phi)$: the **collaborative** distribution of user $u$; blue.
# - $p = p_\varphi(z_u|s_u) = \mathcal N(\mu_\varphi, \Sigma_\varphi)$: the **language** distribution; orange.
# - $p_z = \mathcal N(0, I)$: the **prior**; grey.
# - $\Sigma = \mathrm{diag}(\sigma_1^2, \dots, \sigma_d^2)$: every covariance here is diagonal. We store
#   $\log\sigma^2$, the *log-variance*.
# - $\lambda$: the coefficient of the matching term, written `lam` in code. The paper calls it $\beta$.
# - **nats**: divergences use natural logarithms, so their unit is the nat.
#
# "Paper" below is the equation as printed, "published" is what the authors' code computes. They differ; the last part
# of this notebook says how.

# %% tags=["parameters"]
dataset = "toy"  # only the last part uses data: "yelp-xrec", "amazon", ..., or a folder of your own
embedder = "auto"  # what turns texts into vectors
device = "auto"
seed = 2024
lam = 0.5  # lambda of the kept figure
alpha = 0.5  # share of q in the composite prior
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch.distributions import Normal, kl_divergence

from dmrec_core import DiagonalGaussian, gaussian, matching, notebook, panels, runs, theory, user_batch
from dmrec_core.figures import kept, live, twins

lesson = notebook.begin(dataset, embedder, device, seed, figures_dir, lam=lam, alpha=alpha)
data, checked = lesson.data, lesson.checked
torch.set_printoptions(precision=4)

# %% [markdown]
# Two users, three latent dimensions. All hand calculations below use these numbers, in double precision.

# %%
mu_q = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.5]], dtype=torch.float64)
logvar_q = torch.tensor([[0.0, -1.0, 0.5], [0.2, 0.0, -0.3]], dtype=torch.float64)
mu_p = torch.tensor([[0.5, 0.5, -1.0], [1.0, -1.0, 0.0]], dtype=torch.float64)
logvar_p = torch.tensor([[-0.5, 0.0, 0.5], [0.0, -2.0, 1.0]], dtype=torch.float64)
q, p = DiagonalGaussian(mu_q, logvar_q), DiagonalGaussian(mu_p, logvar_p)
print("means", tuple(mu_q.shape), "log-variances", tuple(logvar_q.shape), "= (users, latent dimensions)")

# %% [markdown]
# ## Part 1 · GODM: carry the mass across
#
# ### Eq. 8: the Wasserstein distance
#
# Think of $p$ as a heap of sand and of $q$ as a hole of the same volume. Filling the hole costs work: how much sand,
# times how far.
#
# - $\gamma$: a **coupling**, a plan that says how much sand goes from point $x$ to point $y$.
# - $\Pi(p, q)$: all plans that use up exactly $p$ and fill exactly $q$.
# - $c(x, y)$: the ground cost of moving one grain, here the Euclidean distance $\|x-y\|$.
# - $n$: the power of the cost. DMRec uses $n = 2$.
#
# $$D_{n\text{-}WD}(p, q) = \Big[\min_{\gamma\in\Pi(p,q)}\int c(x,y)^n\,d\gamma(x,y)\Big]^{1/n} \tag{8}$$
#
# By hand, in one dimension: take 400 grains of $p$ and 400 places of $q$ at equal quantiles, let an assignment solver
# find the cheapest plan, and take the root of its mean squared distance. (The quantiles are rescaled to have variance
# exactly 1, so that 400 grains are enough.)

# %%
t = torch.special.ndtri((torch.arange(400, dtype=torch.float64) + 0.5) / 400)  # quantiles of N(0, 1)
t = t / t.square().mean().sqrt()
x, y = 3.0 + 0.5 * t, 0.0 + 1.0 * t  # grains of p = N(3, 0.25), places of q = N(0, 1)
cost = (x[:, None] - y[None, :]) ** 2  # (400, 400): every grain to every place
grain, place = linear_sum_assignment(cost.numpy())
by_hand = cost[grain, place].mean().sqrt()
shuffled = cost[grain, np.random.default_rng(seed).permutation(place)].mean().sqrt()
print("costs", tuple(cost.shape), f"cheapest plan {by_hand:.4f}, a random plan {shuffled:.4f} (roots of mean squares)")
print("the cheapest plan keeps the order of the grains:", bool((grain == place).all()))

# %%
one_p, one_q = theory.gaussian(3.0, 0.5), theory.gaussian(0.0, 1.0)
checked.assert_close("Eq. 8, a solved plan equals the closed form", by_hand, gaussian.wasserstein2(one_p, one_q).item())
checked.assert_close("the core's map makes the same plan", theory.transport_map(one_p, one_q, x[:, None])[:, 0], y)
checked.assert_true("a random plan costs more", bool(shuffled > by_hand), f"{shuffled:.3f} > {by_hand:.3f}")
notebook.show_source(gaussian.wasserstein2, theory.transport_map)

# %% [markdown]
# The picture: green is the heap on its way. Each grey strand carries the same amount of mass along a straight line.
# The dotted curve is the *other* way to get from one density to the other: fade one out while the other fades in.
# Nothing moves in a fade, and half way there are two heaps. W2 measures moving, not fading.

# %%
panels.explore(live.draw_transport, **live.CONTROLS[live.draw_transport], **panels.questions.TRANSPORT)

# %% [markdown]
# ### Eq. 9: the closed form for Gaussians
#
# - $\mathrm{Tr}$: the trace, the sum of a matrix's diagonal.
# - $\Sigma^{1/2}$: the matrix whose square is $\Sigma$. For a diagonal matrix: the standard deviations.
#
# $$D_{2\text{-}WD} = \|\mu_\varphi-\mu_\phi\|_2^2
# + \mathrm{Tr}\Big(\Sigma_\varphi+\Sigma_\phi-2\big(\Sigma_\varphi^{1/2}\Sigma_\phi\Sigma_\varphi^{1/2}\big)^{1/2}\Big)
# \tag{9}$$
#
# Note what is missing: the $1/n$-th power of Eq. 8. Eq. 9 prints the **square** of the distance. With diagonal
# matrices everything commutes and the trace becomes $\|\sigma_\varphi-\sigma_\phi\|^2$.

# %%
cov_q, cov_p = torch.diag_embed(logvar_q.exp()), torch.diag_embed(logvar_p.exp())  # (2, 3, 3) full matrices


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
# Dimensions add up. In two dimensions, sixty particles and their straight lines:

# %%
panels.explore(live.draw_transport_2d, **live.CONTROLS[live.draw_transport_2d])

# %% [markdown]
# ### Eq. 10: GODM, "global optimality for distribution matching"
#
# - $D_{KL}(q_\phi\|p_z)$: the pull towards the prior that a variational autoencoder has anyway (notebook 02; the
#   divergence itself is Eq. 14 below).
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
# **Which way does it pull?** Each point of the map is a possible $q$: its mean and its log-variance, in one dimension.
# Arrows point downhill. The colour is the slope, on a logarithmic scale: pale means "nothing happens here", dark means
# "large steps". Language is held still at the orange square.

# %%
panels.explore(
    live.draw_gradient_field,
    **live.CONTROLS[live.draw_gradient_field]
    | {"strategy": (list(matching.STRATEGIES), "godm"), "lam": (0.0, 1.0, 0.05, lam)},
    **panels.questions.GRADIENT_FIELD,
)

# %% [markdown]
# ## Part 2 · A divergence instead of a distance
#
# ### Eq. 14: the Kullback-Leibler divergence
#
# We take Eq. 14 before Eq. 11, since CPDM is made of it.
#
# - $D_{KL}(q\|p) = E_q[\log q - \log p]$: how surprised somebody is who believes $p$ while $q$ is true.
# - $\det\Sigma$: the determinant; for a diagonal matrix, the product of the variances.
# - $d$: the number of latent dimensions.
#
# $$D_{KL}(q_\phi\|p_\varphi)=\tfrac12\Big[\mathrm{Tr}(\Sigma_\varphi^{-1}\Sigma_\phi)
# +(\mu_\varphi-\mu_\phi)^\top\Sigma_\varphi^{-1}(\mu_\varphi-\mu_\phi)-d
# +\log\frac{\det\Sigma_\varphi}{\det\Sigma_\phi}\Big] \tag{14}$$

# %%
precision = torch.linalg.inv(cov_p)  # (2, 3, 3)
gap = (mu_p - mu_q).unsqueeze(-1)  # (2, 3, 1)
trace = torch.diagonal(precision @ cov_q, dim1=-2, dim2=-1).sum(-1)
quadratic = (gap.mT @ precision @ gap).flatten()
logdet = torch.logdet(cov_p) - torch.logdet(cov_q)
by_hand = 0.5 * (trace + quadratic - 3 + logdet)  # (2,)
print("precision", tuple(precision.shape), "KL(q‖p) per user, nats:", by_hand)

# %%
library = kl_divergence(Normal(mu_q, q.std), Normal(mu_p, p.std)).sum(-1)
checked.assert_close("Eq. 14 with full matrices equals the diagonal core", by_hand, gaussian.kl(q, p))
checked.assert_close("and torch.distributions", library, gaussian.kl(q, p))
notebook.show_source(gaussian.kl)

# %% [markdown]
# The core works with differences of log-variances, so it needs no small number to keep a division safe. (The published
# code divides variances and adds $10^{-7}$ in four places.)
#
# KL is not symmetric. The right panel shows where each direction is paid: $KL(q\|p)$ is dear where $q$ has mass and
# $p$ has none.

# %%
panels.explore(live.draw_kl, **live.CONTROLS[live.draw_kl], **panels.questions.BOTH_DIRECTIONS)

# %% [markdown]
# **Why the direction matters for a recommender.** A user may have two tastes, say crime novels and cookery books. One
# Gaussian cannot hold two tastes. Minimising $KL(\text{tastes}\|q)$ covers both with one wide heap, much of it on books
# the user would never read. Minimising $KL(q\|\text{tastes})$ *seeks a mode*: it picks one taste and forgets the other.
# Eq. 2, 14 and 15 all use the second direction.

# %%
panels.explore(live.draw_mode_seeking, **live.CONTROLS[live.draw_mode_seeking], **panels.questions.MODE_SEEKING)

# %% [markdown]
# ## Part 3 · CPDM: meet in the middle
#
# ### Eq. 11: the composite prior
#
# - $\alpha$: the share of the collaborative side, between 0 and 1; the paper's default is 0.5.
# - $p_{com}$: a **mixture**: with probability $\alpha$ draw from $q$, otherwise from $p$. It has two humps where $q$
#   and $p$ are apart. A mixture is not the density of the average of two draws.
#
# $$p_{com} = \alpha\,\mathcal N(\mu_\phi,\Sigma_\phi) + (1-\alpha)\,\mathcal N(\mu_\varphi,\Sigma_\varphi) \tag{11}$$

# %%
z = torch.tensor([[0.2, 0.9, -1.0], [1.0, -1.0, 0.0]], dtype=torch.float64)  # one point a user
density_q = Normal(mu_q, q.std).log_prob(z).sum(-1).exp()  # (2,)
density_p = Normal(mu_p, p.std).log_prob(z).sum(-1).exp()
by_hand = (0.3 * density_q + 0.7 * density_p).log()
print("densities", density_q, density_p, "\nlog of the mixture", by_hand)

# %%
checked.assert_close("Eq. 11 by hand equals the core", by_hand, gaussian.log_mixture_density(z, q, p, alpha=0.3))
notebook.show_source(gaussian.log_mixture_density)

# %% [markdown]
# The divergence from a mixture has no closed form, so the matching needs a stand-in, and there are two in the kit:
#
# - **moment-matched** (`variant="paper"`): the Gaussian with the mixture's mean and variance, the closest to it;
# - **geometric** (`variant="published"`): means and *log*-variances are averaged. Its variance ignores how far apart
#   the means are, so it is narrow and sits between the two humps, where neither $q$ nor $p$ has mass.

# %%
panels.explore(
    live.draw_composite,
    **live.CONTROLS[live.draw_composite] | {"alpha": (0.05, 0.95, 0.05, alpha)},
    **panels.questions.COMPOSITE,
)

# %% [markdown]
# ### Eq. 12: the divergence from the composite prior
#
# $$D_{CP}(p_\varphi,q_\phi) = D_{KL}(p_\varphi\|p_{com}) + D_{KL}(q_\phi\|p_{com}) \tag{12}$$
#
# By hand with the moment-matched stand-in. Its variance has three parts: the two variances and the distance of the
# means.

# %%
a = 0.3
mean = a * mu_q + (1 - a) * mu_p  # (2, 3)
variance = a * logvar_q.exp() + (1 - a) * logvar_p.exp() + a * (1 - a) * (mu_q - mu_p) ** 2
middle = Normal(mean, variance.sqrt())
halves = [kl_divergence(Normal(side.mean, side.std), middle).sum(-1) for side in (p, q)]
by_hand = halves[0] + halves[1]  # (2,)
print("composite", tuple(mean.shape), "\nKL(p‖com)", halves[0], "\nKL(q‖com)", halves[1])

# %%
composite = gaussian.moment_matched_composite(q, p, alpha=0.3)
checked.assert_close("Eq. 12 by hand equals the core", by_hand, matching.composite_divergence(q, p, composite))
notebook.show_source(matching.composite_divergence, gaussian.moment_matched_composite, gaussian.geometric_composite)

# %% [markdown]
# How good is the stand-in? The mixture itself can be reached by sampling. Each estimate comes with its standard error.
#
# The paper calls Eq. 12 at $\alpha=\tfrac12$ the Jensen-Shannon divergence. That one has a factor $\tfrac12$ and the
# mixture in the middle, so Eq. 12 is twice it, and only if the mixture is kept. Twice, it is at most $2\log2$:

# %%
generator = torch.Generator().manual_seed(seed)
sampled = theory.composite_divergence_by_sampling(q, p, 0.5, 20_000, generator)
readings = pd.DataFrame(
    {
        "the mixture, sampled": sampled.value,
        "± standard error": sampled.standard_error,
        "moment-matched (paper)": matching.composite_divergence(q, p, gaussian.moment_matched_composite(q, p)),
        "geometric (published)": matching.composite_divergence(q, p, gaussian.geometric_composite(q, p)),
    },
    index=["user 0", "user 1"],
)
below = bool((sampled.value < 2 * math.log(2) + 4 * sampled.standard_error).all())
checked.assert_true("the mixture's divergence stays below 2 log 2", below, f"largest {sampled.value.max():.3f} < 1.386")
curves = theory.composite_curves(0.5)
one_dimension = theory.composite_divergence_by_sampling(one_q, theory.gaussian(4.0, 1.0), 0.5, 20_000, generator)
exact = float(np.interp(4.0, curves.separations, curves.mixture))
checked.assert_within("Eq. 12, sampled against quadrature", one_dimension.value, exact, one_dimension.standard_error)
readings.round(3)

# %% [markdown]
# ### Eq. 13: CPDM, "composite prior for distribution matching"
#
# $$L_{CPDM} = D_{KL}(q_\phi\|p_z) + \lambda\,D_{CP}(p_\varphi,q_\phi) \tag{13}$$

# %%
by_hand = to_prior + 0.5 * (halves[0] + halves[1])  # both computed above, by hand, (2,)
print("prior", to_prior, "\ntotal", by_hand)

# %%
checked.assert_close("Eq. 13 by hand", by_hand, matching.cpdm(q, p, fused, 0.5, "paper", alpha=0.3).total)
notebook.show_source(matching.cpdm)

# %% [markdown]
# CPDM asks both sides to move half-way. The map below moves the *language* side, with the collaborative one held still:
# nothing stops the gradient in DMRec, so matching trains the meta-network as well as the encoder.

# %%
panels.explore(
    live.draw_gradient_field,
    **live.CONTROLS[live.draw_gradient_field]
    | {
        "strategy": (list(matching.STRATEGIES), "cpdm"),
        "moves": (["collaborative", "language"], "language"),
        "lam": (0.0, 1.0, 0.05, lam),
    },
)

# %% [markdown]
# ## Part 4 · MDDM: one budget, shared
#
# ### Eq. 15: "mixing divergence for distribution matching"
#
# - $\lambda\in[0,1]$ is no longer the weight of an extra term. It is a **share**: $\lambda$ of the pull goes to the
#   prior, $1-\lambda$ to the language distribution.
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
# **What two divergences add up to.** Write both out and collect what depends on $q$:
#
# $$\lambda D_{KL}(q\|p_z) + (1-\lambda) D_{KL}(q\|p)
# = E_q\big[\log q - \log\big(p_z^{\lambda}\,p^{1-\lambda}\big)\big]
# = D_{KL}\big(q\,\|\,\text{pool}\big) + \text{const}.$$
#
# The *pool* is the normalised product $p_z^{\lambda}p^{1-\lambda}$, again a Gaussian, and the constant does not contain
# $q$. So MDDM gives every user a **prior of their own**, between the common prior and what their text says. Precisions
# ($1/\sigma^2$) are averaged, so a sure text counts for more than a vague one. The paper does not say this; the
# identity is easily checked:

# %%
standard = DiagonalGaussian(torch.zeros_like(mu_q), torch.zeros_like(logvar_q))
pool = theory.log_linear_pool(standard, p, 0.25)
one_divergence = gaussian.kl(q, pool) + theory.pool_constant(standard, p, 0.25)
checked.assert_close("MDDM is one divergence from a pooled prior", one_divergence, by_hand)
notebook.show_source(theory.log_linear_pool)

# %% [markdown]
# **λ alive.** One user, one dimension. Their items vote for $-1$, each with the same strength; the text says $+2$; the
# prior says $0$. The posterior minimises reconstruction plus $L_{DM}$. Move λ for a user with 2 items, then press
# "busy user".

# %%
panels.explore(
    live.draw_posterior,
    **live.CONTROLS[live.draw_posterior] | {"lam": (0.0, 1.0, 0.05, lam)},
    **panels.questions.POSTERIOR,
)

# %% [markdown]
# Larger λ means *more* text in GODM and CPDM and *less* text in MDDM. A λ-curve of one cannot be read like a λ-curve of
# the other:

# %%
panels.explore(live.draw_all_strategies, **live.CONTROLS[live.draw_all_strategies])

# %% [markdown]
# ## Part 5 · Flat and explosive regions
#
# How hard does each matching term pull on a mean, depending on how far apart the two means are? First with a language
# distribution of width 1, then with a very sure one of width 0.1.

# %%
distances = np.array([0.01, 0.1, 1.0, 3.0, 10.0, 30.0])
slopes = {std: theory.mean_slopes(distances, std) for std in (1.0, 0.1)}
tables = [pd.DataFrame(s, index=pd.Index(distances, name="distance")).T for s in slopes.values()]
pd.concat(tables, keys=["language σ = 1", "language σ = 0.1"]).style.format("{:.3g}", escape="html")

# %% [markdown]
# - **Eq. 9** grows with the distance and does not care how sure the text is.
# - **Its root** (published) pulls with the same strength 1 at every distance, and hardly slackens close to the target:
#   only the $10^{-7}$ under the root keeps the slope finite at 0. Compare the first columns of the two tables: with
#   equal widths even a distance of 0.01 is pulled with full strength.
# - **The mixture itself** goes flat: two far distributions do not feel each other, and cannot be trained together. The
#   stand-ins cure this, the moment-matched one gently, the geometric one with a square.
# - **MDDM** divides by the text's variance. A sure text pulls a hundred times harder. If the network makes the text
#   *very* sure, the term explodes; nothing in the paper's equations forbids that.

# %%
wide, sure = slopes[1.0], slopes[0.1]
checked.assert_true(
    "the root's pull does not fade", abs(wide["GODM, its root (published)"] - 1).max() < 1e-3, "1 ± 0.001"
)
flat = abs(wide["CPDM, the mixture itself"][-1])
checked.assert_true("the mixture is flat far away", flat < 1e-9, f"slope {flat:.0e} at distance 30")
ratio = sure["MDDM (both)"][2] / wide["MDDM (both)"][2]
checked.assert_close("ten times surer text, a hundred times the pull", ratio, 100.0)

# %% [markdown]
# ## Part 6 · What matching does to information
#
# ### Eq. 16: the divergence is a difference of two informations
#
# - $I(z_u;x_u)$: **mutual information**, how many nats the latent $z_u$ tells about the interactions $x_u$.
# - $I(z_u;s_u)$: the same for the texts $s_u$.
# - $\tilde I(z_u;s_u)$: a lower bound of it, which uses $p_\varphi(z_u|s_u)$ in place of the true $q(z_u|s_u)$. It is
#   as good as $p_\varphi$ is.
# - $q(x_u, s_u)$: the population of users; the divergence is averaged over it.
#
# $$E_{q(x_u,s_u)}\,D_{KL}(q_\phi\|p_\varphi) = I(z_u;x_u) - \tilde I(z_u;s_u) \tag{16}$$
#
# The proof is one line: add and subtract $\log q(z)$, the average posterior over all users, inside
# $E[\log q_\phi(z|x) - \log p_\varphi(z|s)]$. The first half becomes $I(z;x)$, the second $\tilde I(z;s)$.
#
# To check it *numerically* we need a world where each side can be computed on its own. Let interactions be one number
# $x\sim\mathcal N(0,1)$ and texts another one, $s = \rho x + \sqrt{1-\rho^2}\,\epsilon$: with $\rho = 1$ the text says
# everything, with $\rho = 0$ nothing. The encoder is $q(z|x) = \mathcal N(ax, v)$, the language side
# $p(z|s) = \mathcal N(cs, w)$.

# %%
rho, a, v, c, w = 0.8, 1.0, 0.25, 0.6, 0.8
i_x = 0.5 * math.log(1 + a**2 / v)  # I(z; x): a Gaussian channel with signal a² and noise v
i_s = -0.5 * math.log(1 - (a * rho) ** 2 / (a**2 + v))  # I(z; s): from the correlation of z and s
true_variance = v + a**2 * (1 - rho**2)  # the true q(z|s) is N(a rho s, this)
misread = 0.5 * (true_variance / w + (a * rho - c) ** 2 / w - 1 - math.log(true_variance / w))
i_s_bound = i_s - misread  # Ĩ(z; s)
divergence = 0.5 * (v / w + (a**2 - 2 * a * c * rho + c**2) / w - 1 - math.log(v / w))  # Eq. 14, averaged
print(f"I(z;x) {i_x:.4f}  I(z;s) {i_s:.4f}  Ĩ(z;s) {i_s_bound:.4f}  E KL(q‖p) {divergence:.4f}")
print(f"I(z;x) − Ĩ(z;s) = {i_x - i_s_bound:.4f}")

# %%
checked.assert_close("Eq. 16 in closed form", i_x - i_s_bound, divergence)
world = theory.LinearGaussianWorld(rho, a, v, c, w)
users_q, users_p = world.draw(3000, torch.Generator().manual_seed(seed))
found = theory.information(users_q, users_p, samples=2, generator=torch.Generator().manual_seed(seed + 1))
averaged = theory.mean_of_draws(gaussian.kl(users_q, users_p))
checked.assert_within("Eq. 16, I(z;x) by Monte Carlo", found.interactions.value, i_x, found.interactions.standard_error)
checked.assert_within("Eq. 16, Ĩ(z;s) by Monte Carlo", found.texts.value, i_s_bound, found.texts.standard_error)
checked.assert_within("Eq. 16, the core's KL over 3000 users", averaged.value, divergence, averaged.standard_error)
notebook.show_source(theory.information)

# %% [markdown]
# Read the divergence as a budget. It has two parts, and only one of them is good news:
#
# - **misreading**, $I(z;s)-\tilde I(z;s)$: the meta-network can remove this by reading better;
# - **what only interactions can tell**, $I(z;x)-I(z;s)$: no text can ever explain it. The only way to lower *this* part
#   is to **forget** it. Matching is a price on knowing things that the text does not know.

# %%
panels.explore(live.draw_information, **live.CONTROLS[live.draw_information], **panels.questions.INFORMATION)

# %% [markdown]
# ### Eq. 17: the bound of the information bottleneck
#
# - $L_{IB}$: keep what texts explain, pay for everything that is kept about the interactions.
# - $\beta\in[0,1]$: that price. It is the paper's own $\beta$ of this equation, *not* our λ.
#
# $$L_{IB} = I(z_u;s_u) - \beta I(z_u;x_u)\;\ge\;\tilde I(z_u;s_u) - I(z_u;x_u) = -D_{KL}(q_\phi\|p_\varphi) \tag{17}$$
#
# Two steps: $I(z;s)\ge\tilde I(z;s)$, and $-\beta I(z;x)\ge -I(z;x)$ since $\beta\le1$ and information is never
# negative. The equality is Eq. 16.

# %%
betas = torch.linspace(0, 1, 5)
by_hand = i_s - betas * i_x  # (5,) for five prices
slack = by_hand + divergence  # how far above the bound
print("L_IB", [round(x, 3) for x in by_hand.tolist()], "bound", round(-divergence, 3))
print("slack", [round(x, 3) for x in slack.tolist()])

# %%
core = [theory.information_bottleneck(i_s, i_x, float(beta)) for beta in betas]
checked.assert_close("Eq. 17 by hand equals the core", by_hand, core)
# by Monte Carlo: the bound's right side from 3000 users, the left side exact
upper = -averaged.value + 4 * averaged.standard_error
checked.assert_true(
    "Eq. 17 holds for every β in [0, 1]", min(core) >= float(upper), f"{min(core):.3f} ≥ {float(upper):.3f}"
)
broken = i_s - 3.0 * i_x
checked.assert_true(
    "and fails for β = 3, where it claims nothing", broken < -divergence, f"{broken:.3f} < {-divergence:.3f}"
)
notebook.show_source(theory.information_bottleneck)

# %% [markdown]
# The green line of the panel above is this $L_{IB}$ over $\beta$; the dotted line is the bound.
#
# **Three doubts that a reader may have.**
#
# 1. The bound is loose for small $\beta$: at $\beta = 0$ it says that an information is at least *minus* a divergence,
#    which holds for any number that is not negative. It is tight only at $\beta = 1$ with perfect reading.
# 2. If every user has a text of their own, no two alike, then the text *identifies* the user, and $I(z;s) = I(z;x)$ in
#    the training data. The bottleneck then speaks about the capacity of the meta-network, not about the texts.
# 3. Eq. 16 holds for $q_\phi$ and for anything else in its place. It is a property of KL, not evidence for MDDM.

# %%
own = len(np.unique(data.language.user, axis=0))
print(f"doubt 2, in this data set: {own} of {data.n_users} users have a text vector that nobody else has")

# %% [markdown]
# ## Paper vs code
#
# | | the paper's equations | the published code |
# |---|---|---|
# | $z$ is drawn from | a sum, in words; $z^*$ is undefined | means added, **log-variances** added |
# | the prior pulls on | $q_\phi$ | that fused distribution |
# | GODM | squared W2 between $q$ and $p$ | root of it, plus $10^{-7}$, between $q$ and $p$ |
# | CPDM | mixture, any α | average of means and log-variances, α = ½; **fused** against $p$ |
# | MDDM | $q$ against $p$ | **fused** against $p$ |
#
# Adding log-variances multiplies variances, $\sigma^2=\sigma_\phi^2\,\sigma_\varphi^2$. The sum of two independent
# Gaussians would add them. The kit has both (`fuse`).
#
# The fused distribution already *contains* $p$. Matching it with $p$ has a consequence.
#
# ### The language mean cancels
#
# Write $\mu_c, l_c$ for the collaborative mean and log-variance and $\mu_l, l_l$ for the language side's. Fused are
# $\mu_c+\mu_l$ and $l_c+l_l$. Put this into Eq. 14 and the language mean is gone:
#
# $$D_{KL}(\text{fused}\|p) = \tfrac12\sum_k\Big[e^{l_c}-1-l_c+\mu_c^2\,e^{-l_l}\Big].$$
#
# With $s = e^{l_c/2}$ the published CPDM term becomes
#
# $$D_{CP} = \tfrac12\sum_k\Big[s+\tfrac1s-2+\tfrac{\mu_c^2}{2\,s\,e^{l_l}}\Big].$$
#
# Neither contains $\mu_l$. The collaborative branch is a **residual** on top of the text, pulled towards "no
# correction" ($\mu_c = 0$, $l_c = 0$). The language mean learns only through reconstruction and the prior term. Only
# GODM, which matches the two branches before they are fused, moves it.

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
# λ = 1 in MDDM leaves $D_{KL}(\text{fused}\|p_z)$. λ = 0 in GODM and in CPDM leaves the same. The ablation "Add" *is*
# the same. All four still draw $z$ from the fused distribution, so the language branch is in the decoder's input: they
# are one model, and it is **not** the base model. The paper reads the right end of MDDM's λ-curve as a return to the
# base model; in the published code it is not one.
#
# In numbers, on real mini-batches of this data set: the loss and its gradient, then a short training of each.

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

# %%
results = [runs.run(one.with_(train=replace(one.train, epochs=12)), data, device=device) for one in specs.values()]
after = pd.Series(
    {name: r.metrics["test"]["recall@20"] for name, r in zip(specs, results, strict=True)}, name="Recall@20"
)
spread = after.drop("base model")
checked.assert_true(
    "after 12 epochs the four are still one model",
    spread.max() - spread.min() < max(0.002, 3 / data.n_users),  # rounding can move a few users' rankings
    f"spread {spread.max() - spread.min():.1e}",
)
after.to_frame("test Recall@20 after 12 epochs").round(4)

# %% [markdown]
# ## What we checked

# %%
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. $p=\mathcal N(3, 4)$ and $q=\mathcal N(0, 1)$ in one dimension (variances 4 and 1). What is Eq. 9, without running
#    anything? Give `answer_1` as a number.
# 2. Find a $q$, given as `answer_2 = (mean, std)`, that is **near** $p=\mathcal N(0,1)$ for GODM ($W_2 < 1$) and
#    **far** from it for MDDM ($D_{KL}(q\|p) > 10$ nats).
# 3. A text says $p=\mathcal N(2, 0.25)$ (standard deviation 0.5). With λ = 0.25, where is the mean of MDDM's pooled
#    prior? Give `answer_3` to three digits.

# %%
answer_1 = None
answer_2 = None
answer_3 = None


def near_and_far(answer):
    mine, theirs = theory.gaussian(*answer), theory.gaussian(0.0, 1.0)
    w2, nats = gaussian.wasserstein2(mine, theirs).item(), gaussian.kl(mine, theirs).item()
    print(f"  your q: W2 = {w2:.3f}, KL(q‖p) = {nats:.2f} nats")
    return w2 < 1 and nats > 10


notebook.check(
    "Exercise 1", answer_1, truth=3.0**2 + (2 - 1) ** 2, hint="Distances of means and of *standard deviations*."
)
notebook.check("Exercise 2", answer_2, truth=near_and_far, hint="W2 hardly notices how narrow q is. KL does.")
notebook.check(
    "Exercise 3",
    answer_3,
    truth=(0.75 * 4 * 2) / (0.25 + 0.75 * 4),
    tolerance=5e-3,
    hint="Weigh the means by precision.",
)

# %% [markdown]
# ## Keep the figure and its numbers
#
# The whole notebook on one page, for the paper's equations. Set `lam` and `alpha` in the parameters to draw another.
# Beside it goes a *twin*: one HTML file with sliders for two Gaussians that needs no kernel. Open it from the folder.

# %%
numbers = kept.matching_numbers(lam, alpha)
figure = kept.matching_figure(numbers)
figure

# %%
numbers |= {
    "slopes": {f"language std {std}": table for std, table in slopes.items()},
    "distances": distances,
    "pull_on_parameters": {f"{name} {variant}": pull for (name, variant), pull in pulls.items()},
    "one_model": after.to_dict(),
}
path = lesson.keep("04_distribution_matching", figure, numbers, results)
page = twins.write_distribution_matching(path.with_suffix(".html"), lesson.facts(results))
print(path.name, page.name)
