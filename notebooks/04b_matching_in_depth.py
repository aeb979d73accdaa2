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
# # 04b · Matching in depth: transport plans, directions, sampling, slopes, information
#
# *Appendix to [04](04_distribution_matching.ipynb), about 40 minutes; the core path does not need it.*
#
# *As a page: `make site`, then open `build/site/notebooks/04b_matching_in_depth.html`.*
#
# Notebook 04 gives the three losses (GODM, *global optimality*; CPDM, *composite prior*; MDDM, *mixing divergence*),
# the Kullback-Leibler divergence (KL) and what they do. Here is what it only says: that a solved transport plan agrees
# with the closed form, where the direction of a divergence matters, how good the stand-ins for a mixture are, how hard
# each loss pulls, and what Eq. 16 and 17 claim about information.
#
# **You will be able to** check a closed form by solving or by sampling, say where a loss is flat or explosive, and say
# which $p$ the paper's argument about information is true of.
#
# Symbols are those of 04: $q$ collaborative, $p$ language, $p_z$ the prior, *fused* what $z$ is drawn from; divergences
# in nats (the unit of natural logarithms). $KL$ is short for $D_{KL}$. Other letters hold for one part only, and are
# said there.

# %% tags=["parameters"]
dataset = "toy"  # only the last parts use data: "yelp-xrec", "amazon", ..., or a folder of your own
embedder = "auto"  # what turns texts into vectors
device = "auto"
seed = 2024
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from scipy.optimize import linear_sum_assignment
from torch.distributions import Normal

from dmrec_core import DiagonalGaussian, evaluate, fit, gaussian, matching, notebook, panels, runs, theory
from dmrec_core.figures import kept, live

lesson = notebook.begin(dataset, embedder, device, seed, figures_dir)
data, checked = lesson.data, lesson.checked
torch.set_printoptions(precision=4)

# %%
# two users, three latent dimensions
mu_q = torch.tensor([[0.0, 1.0, -1.0], [2.0, 0.0, 0.5]], dtype=torch.float64)
logvar_q = torch.tensor([[0.0, -1.0, 0.5], [0.2, 0.0, -0.3]], dtype=torch.float64)
mu_p = torch.tensor([[0.5, 0.5, -1.0], [1.0, -1.0, 0.0]], dtype=torch.float64)
logvar_p = torch.tensor([[-0.5, 0.0, 0.5], [0.0, -2.0, 1.0]], dtype=torch.float64)
q, p = DiagonalGaussian(mu_q, logvar_q), DiagonalGaussian(mu_p, logvar_p)
print("means", tuple(mu_q.shape), "log-variances", tuple(logvar_q.shape), "= (users, latent dimensions)")

# %% [markdown]
# ## Part 1 · Eq. 8: the Wasserstein distance
#
# Think of $p$ as a heap of sand and of $q$ as a hole of the same volume. Filling the hole costs work: how much sand,
# times how far.
#
# - $x$, $y$: places, of a grain and of a hole (not clicks, as everywhere else).
# - $\gamma$: a **coupling**, a plan that says how much sand goes from $x$ to $y$.
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
# Dimensions add up. In two dimensions, sixty particles and their straight lines:

# %%
panels.explore(live.draw_transport_2d, **live.CONTROLS[live.draw_transport_2d])

# %% [markdown]
# ## Part 2 · Where the direction of a divergence matters
#
# Both directions are zero at $q = p$ and nowhere else. In Eq. 14 and 15 $q$ and $p$ are
# single diagonal Gaussians, so a free $q$ ends at $p$ by either. The direction decides where $q$ *cannot* become its
# target:
#
# - **Two tastes**, say crime novels and cookery books, and one Gaussian to hold them: $KL(\text{tastes}\|q)$ covers
#   both with one wide heap, $KL(q\|\text{tastes})$ *seeks a mode* and forgets the other taste. Only Eq. 2 has such a
#   target: its gap is $KL(q\|\text{true posterior})$, and a true posterior may have two humps. $p_\varphi$ never has.
# - **Correlated dimensions** and a diagonal $q$: with correlation $r$, the second direction takes the width
#   $\sqrt{1-r^2}$ that is left when the other dimension is known, the first the whole width. One hump, and still too
#   narrow.
# - **A $q$ that something else holds** (the reconstruction): too wide by a factor $b$ costs about $b^2/2$, too
#   narrow by the same factor only about $\log b$.

# %%
panels.explore(live.draw_mode_seeking, **live.CONTROLS[live.draw_mode_seeking], **panels.questions.MODE_SEEKING)

# %%
r = 0.8
target = torch.tensor([[1.0, r], [r, 1.0]], dtype=torch.float64)  # variances 1, correlation r
narrow = torch.full((2,), 1 - r**2, dtype=torch.float64, requires_grad=True)  # variances of a diagonal q
wide = torch.ones(2, dtype=torch.float64, requires_grad=True)
second_way = 0.5 * (
    (torch.linalg.inv(target).diagonal() * narrow).sum() - narrow.log().sum()
)  # KL(q‖target) + constant
first_way = 0.5 * ((target.diagonal() / wide).sum() + wide.log().sum())  # KL(target‖q) + constant
slopes_there = torch.stack([*torch.autograd.grad(second_way, narrow), *torch.autograd.grad(first_way, wide)])
checked.assert_close(
    "best diagonal q: variance 1 − r² in Eq. 14's direction, 1 in the other", slopes_there, 0 * slopes_there
)

# %% [markdown]
# ## Part 3 · Eq. 11: the mixture itself
#
# - $\alpha$: the share of the collaborative side, between 0 and 1; the paper's default is 0.5.
# - $p_{com}$: a mixture of $q$ and $p$. It has two humps where they are apart. A mixture is not the density of the
#   average of two draws.
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
# How good are 04's two stand-ins? The mixture itself can be reached by sampling. Each estimate comes with its standard
# error.
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
# ## Part 4 · Flat and explosive regions
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
# - **Its root** (published) has the slope $\Delta/\sqrt{\Delta^2+(\sigma_\phi-\sigma_\varphi)^2+10^{-7}}$ at distance
#   $\Delta$: 1 at every distance where the widths are *equal*, and less the more they differ. Compare the first columns
#   of the two tables. The $10^{-7}$ stands *under* the root, which makes the slope 0 at $q=p$; added after the root it
#   would leave a kink there, which has no slope.
# - **The mixture itself** goes flat: two far distributions do not feel each other, and cannot be trained together. The
#   stand-ins cure this, the moment-matched one gently, the geometric one with a square.
# - **MDDM**, as printed, divides by the text's variance (as published the distance is that of $q$'s mean from zero,
#   04). A sure text pulls a hundred times harder. If the network makes the text *very* sure, the term explodes; nothing
#   in the paper's equations forbids that.

# %%
wide, sure = slopes[1.0], slopes[0.1]
for std, table in slopes.items():
    formula = distances / np.sqrt(distances**2 + (1 - std) ** 2 + 1e-7)
    checked.assert_close(f"slope of W2, language σ = {std}", formula, table["GODM, its root (published)"])
at_target = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)  # the mean of q, where p's mean is, too
equal_q = DiagonalGaussian(at_target, torch.zeros_like(at_target))
under = gaussian.wasserstein2(equal_q, theory.gaussian(0.0, 1.0), epsilon=1e-7)
after = gaussian.wasserstein2(equal_q, theory.gaussian(0.0, 1.0)) + 1e-7
slope_under, slope_after = (torch.autograd.grad(w2.sum(), at_target)[0].item() for w2 in (under, after))
checked.assert_true("ε under the root: slope 0 at q = p; after it: none", slope_under == 0 and math.isnan(slope_after),
                    f"{slope_under:g} and {slope_after}")  # fmt: skip
flat = abs(wide["CPDM, the mixture itself"][-1])
checked.assert_true("the mixture is flat far away", flat < 1e-9, f"slope {flat:.0e} at distance 30")
ratio = sure["MDDM, Eq. 15 (paper)"][2] / wide["MDDM, Eq. 15 (paper)"][2]
checked.assert_close("ten times surer text, a hundred times the pull", ratio, 100.0)

# %% [markdown]
# ## Part 5 · What matching does to information
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
# **Read "$s_u$" with care.** The paper writes $p_\varphi(z_u|s_u)$, as if the language side saw texts alone. The
# model's $p_\varphi$ reads the clicks, too (Eq. 7), so it is a $p_\varphi(z|s,x)$, and $\tilde I$ then bounds
# $I(z;s,x)$, which for a $z$ drawn from $q_\phi(z|x)$ is all of $I(z;x)$. Such a $p$ can bring the divergence to zero
# by copying the encoder, with nothing read in any text. And the published code has the **fused** distribution in
# $q_\phi$'s place (04, part 5). What follows is the paper's reading: $p$ sees texts only.
#
# The proof is one line: add and subtract $\log q(z)$, the average posterior over all users, inside
# $E[\log q_\phi(z|x) - \log p_\varphi(z|s)]$. The first half becomes $I(z;x)$, the second $\tilde I(z;s)$.
#
# To check it *numerically* we need a world where each side can be computed on its own. Let interactions be one number
# $x\sim\mathcal N(0,1)$ and texts another one, $s = \rho x + \sqrt{1-\rho^2}\,\epsilon$: with $\rho = 1$ the text says
# everything, with $\rho = 0$ nothing. The encoder is $q(z|x) = \mathcal N(ax, v)$, the language side
# $p(z|s) = \mathcal N(cs, w)$, with slopes $a$, $c$ and variances $v$, $w$ (here no cost and no text vector).

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
nosy = DiagonalGaussian(
    (users_q.mean + users_p.mean) / 2, torch.full_like(users_q.mean, math.log(0.3))
)  # reads x and s
read = theory.information(users_q, nosy, samples=2, generator=torch.Generator().manual_seed(seed + 2)).texts
above = bool(read.value - 4 * read.standard_error > i_s)
checked.assert_true("a p that reads clicks, too, knows more of z than any text", above, f"{read.value:.3f} > {i_s:.3f}")
notebook.show_source(theory.information)

# %% [markdown]
# Read the divergence as a budget. It has two parts, and only one of them is good news:
#
# - **misreading**, $I(z;s)-\tilde I(z;s)$: the meta-network can remove this by reading better;
# - **what only interactions can tell**, $I(z;x)-I(z;s)$: no text can ever explain it. The only way to lower *this* part
#   is to **forget** it: a price on knowing things that the text does not know. (A $p$ that reads clicks has a second
#   way: take them over.)

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
# Again $s$ is the texts alone, as the paper has it; with the model's $p$, both $I(z;s)$ and its bound hold the clicks.
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
# ## Part 6 · One model under four names, trained
#
# 04 shows that MDDM at λ = 1, GODM and CPDM at λ = 0 and the ablation "Add" have one loss and one gradient. So a short
# training must end at one place, whatever it is called:

# %%
ends = {"MDDM, λ = 1": ("mddm", 1.0), "GODM, λ = 0": ("godm", 0.0), "CPDM, λ = 0": ("cpdm", 0.0), "Add": ("add", 0.0)}
specs = {name: lesson.spec(strategy, lam=value, seed=seed) for name, (strategy, value) in ends.items()}
specs["base model"] = lesson.spec(seed=seed)

# %%
after, weights = {}, {}
for name, one in specs.items():
    model = runs.build_model(one, data)
    fit(model, data, replace(one.train, epochs=12), seed=seed, device=lesson.device)
    after[name] = evaluate(model, data, "test").means()["recall@20"]
    weights[name] = torch.cat([value.flatten().cpu() for value in model.state_dict().values()])
same = list(ends)
spread = max(after[name] for name in same) - min(after[name] for name in same)
apart = max(float((weights[name] - weights[same[0]]).abs().max()) for name in same)
on_cpu = lesson.device.type == "cpu"  # elsewhere sums may be taken in another order, and a few rankings move
checked.assert_true(
    "after 12 epochs the four are still one model",
    apart == 0 if on_cpu else spread < max(0.002, 3 / data.n_users),
    f"two weights differ by {apart:.1e} at most, Recall@20 by {spread:.1e}",
)
pd.Series(after, name="test Recall@20 after 12 epochs").to_frame().round(4)

# %% [markdown]
# So `RunSpec` knows them as one run, `as_trained`: the kit trains it once and reads it under each of its names.

# %% [markdown]
# ## What we checked

# %%
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. Find a $q$, given as `answer_1 = (mean, std)`, that is **near** $p=\mathcal N(0,1)$ for GODM ($W_2 < 1$) and
#    **far** from it for MDDM ($D_{KL}(q\|p) > 10$ nats). The sliders of 04 do not
#    reach it; the last line of Part 2 does.
# 2. Predict the slope of the published GODM term with respect to the mean of $q=\mathcal N(1, 1)$, for
#    $p=\mathcal N(0, 4)$ (standard deviations 1 and 2). Three digits.
# 3. In Part 5's world with $\rho=0$ the texts know nothing. What is the least $E\,D_{KL}(q\|p)$ that a $p$ reading only
#    texts can reach, with $a=1$, $v=0.25$? In nats, three digits.

# %%
answer_1 = None
answer_2 = None
answer_3 = None

notebook.check("04b.1", answer_1)
notebook.check("04b.2", answer_2)
notebook.check("04b.3", answer_3)

# %% [markdown]
# ## Keep the figure and its numbers

# %%
pulled = theory.mean_slopes(np.geomspace(0.01, 30, 61), 1.0), theory.mean_slopes(np.geomspace(0.01, 30, 61), 0.1)
figure = kept.slopes_figure(np.geomspace(0.01, 30, 61), {"language σ = 1": pulled[0], "language σ = 0.1": pulled[1]})
figure

# %%
numbers = {
    "slopes": {f"language std {std}": table for std, table in slopes.items()},
    "distances": distances,
    "information": {"I(z;x)": i_x, "I(z;s)": i_s, "bound": i_s_bound, "divergence": divergence},
    "one_model": after,
}
path = lesson.keep("04b_matching_in_depth", figure, numbers, specs.values())
print(path.name)
