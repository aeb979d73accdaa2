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
# # 02 · The collaborative space: from clicks to a distribution over tastes
#
# *Appendix, about 35 minutes: the base model from the bottom. The core path can do without it: 00b says what it needs.*
#
# *As a page: `make site`, then open `build/site/notebooks/02_collaborative_space.html`.*
#
# Before language comes in, DMRec is a variational autoencoder for recommendation: Mult-VAE. It reads what a user
# clicked and answers with a *distribution* over what the user may like, not with a point. This notebook builds it from
# the bottom, and checks the one inequality everything rests on against the exact answer.
#
# **You will be able to** derive in four lines a lower bound of the *evidence* (how probable a user's clicks are under
# the model), say what it leaves out and measure that,
# pass a gradient through a random draw, and read the two terms of the training loss.
#
# **Symbols used throughout**
#
# - $u$: a user; $i$: an item; $N$: the number of items.
# - $x_u\in\{0,1\}^N$: the user's row of the training matrix, 1 where they interacted with an item.
# - $z_u\in\mathbb R^d$: the user's **latent taste**, which nobody observes; $d$ is 200 in the paper, and 2 in this
#   notebook's pictures so that we can see it.
# - $\theta$: the weights of the **decoder**, from a taste to items. $\phi$: those of the **encoder**, from items to a
#   distribution over tastes.
# - $E_q[\cdot]$: the average over draws from $q$.

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
device = "auto"
seed = 2024
user = 0  # the user we follow, as in 00 and 00b
users_shown = 40  # users whose true posterior is computed, from the quietest to the busiest
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import math

import numpy as np
import pandas as pd
import torch

from dmrec_core import (
    BaseModel,
    DiagonalGaussian,
    InteractionRows,
    analysis,
    catalogues,
    fused_multinomial_nll,
    kl,
    kl_to_standard_normal,
    log_density,
    multinomial_nll,
    notebook,
    panels,
    runs,
    theory,
    user_batch,
)
from dmrec_core.figures import kept, live

lesson = notebook.begin(dataset, "none", device, seed, figures_dir, user=user, users_shown=users_shown)
data, checked = lesson.data, lesson.checked

# %% [markdown]
# ## The story the model tells
#
# 1. A taste is drawn for the user: $z_u\sim p(z) = \mathcal N(0, I)$, the **prior**.
# 2. The decoder turns it into one number for each item, and a softmax into probabilities
#    $\pi_i = \mathrm{softmax}(f_\theta(z_u))_i$. They compete: more for one item means less for the others.
# 3. The user draws their $n_u = \sum_i x_{ui}$ items from these probabilities.
#
# The probability of the row, up to a factor that no weight can change (the number of orders in which the items could
# have come), is the **multinomial likelihood**
#
# $$\log p_\theta(x_u|z_u) = \sum_i x_{ui}\log\pi_i.$$

# %%
logits = torch.tensor([[1.0, 0.0, -1.0, 0.5], [0.0, 2.0, 0.0, 0.0]], dtype=torch.float64)  # f(z): 2 users, 4 items
x = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)  # what they clicked
pi = logits.exp() / logits.exp().sum(1, keepdim=True)  # (2, 4), each row sums to 1
by_hand = (x * pi.log()).sum(1)  # (2,): one number a user
print("probabilities", tuple(pi.shape), "rows sum to", pi.sum(1), "\nlog-likelihood", by_hand)

# %%
rows = InteractionRows(items=torch.tensor([0, 3, 1]), offsets=torch.tensor([0, 2]), values=None, n_items=4)  # x, sparse
checked.assert_close("multinomial log-likelihood by hand", by_hand, -multinomial_nll(logits, rows))
hidden = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)  # the decoder's last hidden layer
weight, bias = torch.randn(4, 5, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
plain, in_one_pass = multinomial_nll(hidden @ weight.T + bias, rows), fused_multinomial_nll(hidden, weight, bias, rows)
slopes = [torch.autograd.grad(loss.sum(), hidden)[0] for loss in (plain, in_one_pass)]
checked.assert_close("the likelihood in one pass equals the plain one", in_one_pass, plain)
checked.assert_close("so does its hand-written gradient", slopes[1], slopes[0])
notebook.show_source(multinomial_nll)

# %% [markdown]
# `fused_multinomial_nll`, the likelihood in one pass (*fused* says that two steps of a program are put together; the
# fused distribution is another thing), is the same number, computed together with the decoder's last layer, so that the
# `(users, items)` table of probabilities is kept once and not four times. It is what training uses.
#
# ## Eq. 1: a lower bound of what cannot be computed
#
# How probable is a user's row under the model? We would have to average over every taste the user
# could have: $p(x_u) = \int p_\theta(x_u|z)\,p(z)\,dz$. In 200 dimensions nobody can. So a second network guesses which
# tastes are worth looking at:
#
# - $q_\phi(z_u|x_u)$: the encoder's guess, a distribution over tastes. (On this page every $p$ is the model's own;
#   language's $p_\varphi$ comes in notebook 03.)
# - $p(x_u, z_u) = p_\theta(x_u|z_u)\,p(z_u)$: the joint probability, easy to compute at any one $z$.
#
# $$\log p(x_u)=\log\int p(x_u,z_u)\,dz_u\;\ge\;E_{q_\phi(z_u|x_u)}\Big[\log\frac{p(x_u,z_u)}{q_\phi(z_u|x_u)}\Big]
# \tag{1}$$
#
# **Derivation.** Multiply and divide by $q$ inside the integral, then use that the logarithm of an average is at least
# the average of logarithms (Jensen). What is lost is a Kullback-Leibler divergence $D_{KL}$: how far one distribution
# is from another, in *nats*, the unit of natural logarithms (its formula is in notebook 04).
#
# $$\log\int p(x,z)\,dz = \log E_q\Big[\frac{p(x,z)}{q(z)}\Big] \ge E_q\Big[\log\frac{p(x,z)}{q(z)}\Big],
# \qquad \text{gap} = D_{KL}\big(q(z)\,\|\,p(z|x)\big).$$
#
# The gap follows from $p(x,z) = p(z|x)\,p(x)$: what is lost is how far the
# guess is from the **true posterior** $p(z|x)$, what is to be believed of $z$ once $x$ is known, and nothing else.
#
# To check an inequality one needs a case where both sides are known. Take one dimension, $z\sim\mathcal N(0,1)$, and an
# observation $x\,|\,z\sim\mathcal N(z, \tfrac14)$ with $x = 1$. Then $x\sim\mathcal N(0, \tfrac54)$, and the true
# posterior is $\mathcal N(0.8, 0.2)$. Let the guess be $q = \mathcal N(0.3, 0.5)$.

# %%
q = DiagonalGaussian(*torch.tensor([[[0.3]], [[math.log(0.5)]]], dtype=torch.float64))
truth = DiagonalGaussian(*torch.tensor([[[0.8]], [[math.log(0.2)]]], dtype=torch.float64))
z = theory.draws_from(q, 20_000, torch.Generator().manual_seed(seed))  # (20000, 1, 1)
log_prior = -0.5 * (z**2 + math.log(2 * math.pi))
log_likelihood = -0.5 * ((1 - z) ** 2 / 0.25 + math.log(2 * math.pi * 0.25))
log_weights = (log_prior + log_likelihood).squeeze(-1) - log_density(z, q)  # (20000, 1)
by_hand = log_weights.mean(0)  # (1,): Eq. 1's right side
evidence = -0.5 * (1 / 1.25 + math.log(2 * math.pi * 1.25))  # log p(x), exact
print("draws", tuple(z.shape), "bound", by_hand, f"log p(x) {evidence:.4f}, gap {kl(q, truth).item():.4f}")

# %%
bound, tighter = theory.evidence_lower_bound(log_weights), theory.importance_weighted_bound(log_weights)
checked.assert_close("Eq. 1 by hand equals the core", by_hand, bound.value)
checked.assert_within("Eq. 1: log p(x) − gap", bound.value, evidence - kl(q, truth).item(), bound.standard_error.item())
checked.assert_within("importance weighting reaches log p(x)", tighter.value, evidence, tighter.standard_error.item())
order = bool(bound.value + 4 * bound.standard_error < tighter.value)
checked.assert_true("the bound lies below the importance-weighted estimate", order)
notebook.show_source(theory.evidence_lower_bound, theory.importance_weighted_bound)

# %% [markdown]
# The second function is the check we can also run where nothing is known: average the *weights* $p(x,z)/q(z)$ of $S$
# draws before taking the logarithm. With $S = 1$ that is Eq. 1; with more draws the bound rises, towards $\log p(x)$.
#
# Be the encoder: choose $q$, and close the gap.

# %%
panels.explore(live.draw_bound, **live.CONTROLS[live.draw_bound], **panels.questions.BOUND)

# %% [markdown]
# ## Eq. 3: what the encoder says
#
# - $\mu_\phi(x_u)$: where the taste is, `(d,)`.
# - $\sigma^2_\phi(x_u)$: how uncertain that is, one variance a dimension. The network's output is $\log\sigma^2$, which
#   may be any number, so that the variance is always positive.
# - $\mathrm{diag}[\cdot]$: the dimensions are independent given $x_u$.
#
# $$q_\phi(z_u|x_u)=\mathcal N\big(z_u\,|\,\mu_\phi(x_u),\Sigma_\phi(x_u)\big),
# \qquad \Sigma_\phi=\mathrm{diag}[\sigma_\phi^2(x_u)] \tag{3}$$
#
# **Reparameterisation.** A draw from $q$ must pass gradients to $\mu$ and $\sigma$, but one cannot differentiate a dice
# roll. So the dice are rolled first, $\epsilon\sim\mathcal N(0, I)$, and the draw is computed from them:
# $z = \mu + \sigma\,\epsilon$. Then $\partial z/\partial\mu = 1$ and
# $\partial z/\partial\log\sigma^2 = \tfrac12\sigma\,\epsilon$.

# %%
heads = torch.tensor([[0.5, -1.0, 0.0, math.log(4.0)]], requires_grad=True)  # an encoder's output for d = 2
mu, logvar = heads[:, :2], heads[:, 2:]  # first half the mean, second half the log-variance
epsilon = torch.randn(mu.shape, generator=torch.Generator().manual_seed(0))
by_hand = mu + (0.5 * logvar).exp() * epsilon
by_hand.sum().backward()
print("heads", tuple(heads.shape), "-> z", tuple(by_hand.shape), by_hand.detach())
print(
    "dz/dheads", heads.grad, "expected", torch.cat([torch.ones(1, 2), 0.5 * (0.5 * logvar).exp() * epsilon], 1).detach()
)

# %%
core = DiagonalGaussian.from_heads(heads)
checked.assert_close("Eq. 3, one draw by hand", by_hand, core.sample(torch.Generator().manual_seed(0)))
moments = theory.draws_from(
    DiagonalGaussian(core.mean.detach(), core.logvar.detach()), 20_000, torch.Generator().manual_seed(1)
)
middle = theory.mean_of_draws(moments[:, 0])
checked.assert_within("Eq. 3, mean of many draws", middle.value[1], -1.0, middle.standard_error[1])
spread = theory.mean_of_draws((moments[:, 0] - core.mean.detach()[0]).square())
checked.assert_within("Eq. 3, variance of many draws", spread.value[1], 4.0, spread.standard_error[1])
notebook.show_source(DiagonalGaussian.from_heads, DiagonalGaussian.sample)

# %% [markdown]
# ## Eq. 2: the bound as two terms
#
# Split the logarithm in Eq. 1 into a part about items and a part about tastes:
#
# - $E_{q_\phi}[\log p_\theta(x_u|z_u)]$: the **reconstruction**: draw a taste, see how well it explains the clicks;
# - $D_{KL}(q_\phi\|p)$: the **prior term**: what it costs the encoder to be sure. With $p=\mathcal N(0,I)$ it is
#   $\tfrac12\sum_k(\sigma_k^2+\mu_k^2-1-\log\sigma_k^2)$, see Eq. 14 in notebook 04.
#
# $$\log p(x_u)\ge E_{q_\phi}[\log p_\theta(x_u|z_u)]-D_{KL}\big(q_\phi(z_u|x_u)\,\|\,p(z_u)\big) \tag{2}$$
#
# Training minimises the negative of this, averaged over users. Here is a trained model: Mult-VAE with two latent
# dimensions. Its loss for our user of 00b and the next two, by hand, with one draw each as in training:

# %%
result = runs.run(lesson.spec(latent=2, seed=seed), data, device=device)
model = result.model(data)
backbone = model.backbone
backbone.input_dropout = 0.0  # so that both computations see the same input

three = (user + np.arange(3)) % data.n_users
batch = user_batch(data.train, three, generator=torch.Generator().manual_seed(seed))
with torch.no_grad():
    q = backbone.posterior(batch)  # (3, 2)
    epsilon = torch.randn(q.mean.shape, generator=torch.Generator().manual_seed(seed))
    z = q.mean + (0.5 * q.logvar).exp() * epsilon
    log_pi = torch.log_softmax(backbone.decode(z), dim=1)  # (3, N)
    reconstruction = -(batch.rows.dense() * log_pi).sum(1)
    prior = 0.5 * (q.logvar.exp() + q.mean**2 - 1 - q.logvar).sum(1)
    by_hand = (reconstruction + prior).mean()
print("z", tuple(z.shape), "log π", tuple(log_pi.shape), "\nreconstruction", reconstruction, "\nprior term", prior)

# %%
with torch.no_grad():
    loss = model.loss(batch)
checked.assert_close("Eq. 2 by hand equals the core's loss", by_hand, loss.total)
notebook.show_source(BaseModel.loss, type(backbone).posterior, type(backbone).decode)

# %% [markdown]
# Eq. 1 and Eq. 2 are one number. Sampled as in Eq. 1 it is noisier, since the prior term is sampled as well, although
# its exact value is known:

# %%
with torch.no_grad():
    weights = theory.log_importance_weights(backbone, batch, q, 4000, torch.Generator().manual_seed(seed))
    tastes = theory.draws_from(q, 4000, torch.Generator().manual_seed(seed + 1))
    explained = torch.stack([-multinomial_nll(backbone.decode(z), batch.rows) for z in tastes])
first = theory.evidence_lower_bound(weights)
second = theory.mean_of_draws(explained)
second_value = second.value - kl_to_standard_normal(q)
for row in range(3):
    error = float((first.standard_error[row] ** 2 + second.standard_error[row] ** 2).sqrt())
    checked.assert_within(f"Eq. 1 = Eq. 2, user {three[row]}", first.value[row], second_value[row], error)
both = {"Eq. 1": first.value, "its error": first.standard_error}
both |= {"Eq. 2": second_value, "its error ": second.standard_error}
pd.DataFrame(both, index=three).rename_axis("user").astype(float).round(3)

# %% [markdown]
# ## How good is the bound for real users?
#
# With two latent dimensions we can do what nobody can do in 200: put a fine grid over all tastes and add up
# $p_\theta(x_u|z)\,p(z)$. That gives $\log p(x_u)$ and the true posterior of every user, and the bound can be judged.

# %%
users = analysis.spread_users(data, users_shown)
bounds = analysis.bounds_of_users(backbone, data, users, draws=(10, 100, 1000), seed=seed)
table = bounds.table
below = (table["elbo"] <= table["evidence"] + 4 * table["elbo_error"]).all()
checked.assert_true("the bound is below log p(x) for every user", below)
above = (table["weighted_1000"] + 4 * table["weighted_error_1000"] >= table["elbo"]).all()
checked.assert_true("and not above the importance-weighted estimate", above)
gap = (table["evidence"] - table["elbo"]).mean()
left = (table["evidence"] - table["weighted_1000"]).abs().mean()
print(f"1000 weighted draws leave {left:.2f} of the bound's gap of {gap:.2f} nats, on average over these users")
table.iloc[:: max(1, len(table) // 8)].round(2)

# %% [markdown]
# The gap has two sources: the true posterior is not a Gaussian with independent dimensions, and one encoder serves all
# users at once (it guesses from the row; it does not optimise each user's $q$). Grey is the truth, blue is the
# encoder's guess. First our user:


# %%
def draw_posterior(of, k, who=""):
    row, items = of.table.iloc[k], int(of.table["items"].iloc[k])
    one = DiagonalGaussian(of.posterior.mean[k : k + 1], of.posterior.logvar[k : k + 1])
    title = f"{who}{items} training items: log p(x) {row['evidence']:.2f}, bound {row['elbo']:.2f}"
    return live.draw_true_posterior(of.axis.numpy(), of.log_posterior[k].numpy(), one, title)


ours = analysis.bounds_of_users(backbone, data, np.array([user]), draws=(10, 100, 1000), seed=seed)
draw_posterior(ours, 0, f"user {user}, ")

# %% [markdown]
# And all those of the table, from the quietest to the busiest.


# %%
def draw_user(user):
    return draw_posterior(bounds, user)


panels.explore(draw_user, user=(0, len(users) - 1, 1, len(users) // 3), **panels.questions.TRUE_POSTERIOR)

# %% [markdown]
# ## The whole space
#
# Every user's posterior mean, two true posteriors, and the bound's distance from the truth. This figure is kept.

# %%
means = analysis.posterior_means(model, data)
items_per_user = np.diff(data.train.indptr)
shown = [len(users) // 6, int(len(users) * 0.9)]
figure = kept.collaborative_figure(means, items_per_user, bounds, shown)
figure

# %%
widths = pd.DataFrame({"items": table["items"], "mean σ of q": bounds.posterior.std.mean(1)})
grouped = analysis.by_history(widths)
narrower = grouped["mean σ of q"].iloc[0] > grouped["mean σ of q"].iloc[-1]
print("This encoder is", "surer" if narrower else "not surer", "about the busiest users than about the quietest.")
grouped.round(3)

# %% [markdown]
# ## What a better likelihood is worth
#
# The bound is about *probability*. A recommender is judged by its *ranking* (Recall and NDCG of the first 20, notebook
# 00). Two dimensions are few. Does the wider space that the other notebooks use rank better?

# %%
wide = runs.run(lesson.spec(seed=seed), data, device=device)
rank = pd.DataFrame(
    {
        f"d = {r.spec.latent}": {name: r.metrics["test"][name] for name in ("recall@20", "ndcg@20")}
        for r in (result, wide)
    }
)
found = analysis.paired_test(*(r.per_user["test"].per_user["recall@20"] for r in (wide, result)))
print(f"'the wider space ranks better': {analysis.verdict(found.difference).replace('seeds', 'users')} "
      f"({found.difference:+} Recall@20 over users, one seed)")  # fmt: skip
rank.round(4)

# %% [markdown]
# ## Very many items
#
# The likelihood needs $\log Z_u = \log\sum_i e^{l_{ui}}$ over *all* items, $l_{ui}$ being the decoder's number for item
# $i$. For a thousand users and a million items that is a table of a billion numbers. Two ways around it, neither of
# which the paper needs:
#
# - **in blocks**: add up $Z_u$ over some thousand items at a time, and compute each block again for the gradient. It is
#   exact, and costs one more product of matrices;
# - **sampled**: draw $S$ items with probabilities $\pi_i$ and let each stand for $1/\pi_i$ items. Then
#   $\hat Z_u$ is right in the mean, but $\log \hat Z_u$ is not: the logarithm bends down, so by Jensen
#   $E[\log\hat Z_u] < \log Z_u$, with many draws by $\mathrm{Var}(\hat Z_u) / 2Z_u^2$, which falls as $1/S$; with few,
#   more slowly.
#
# Below, the bias of 100 to 1,600 draws at 10,000 items, where the exact sum can still be had; and what a closer $\pi$
# is worth: every fourth item is popular, and a draw that knows it needs fewer of them.

# %%
made = torch.Generator().manual_seed(seed)
n_users, n_items, n_clicks = 64, 10_000, 8
hidden, weight = torch.randn(n_users, 16, generator=made), 0.4 * torch.randn(n_items, 16, generator=made)
bias = torch.where(torch.arange(n_items) % 4 == 0, 3.0, 0.0)  # every fourth item is popular
clicked = torch.rand(n_users, n_items, generator=made).argsort(1)[:, :n_clicks].flatten()
rows = InteractionRows(clicked, torch.arange(0, len(clicked), n_clicks), None, n_items)
exact = multinomial_nll(hidden @ weight.T + bias, rows)
in_blocks = catalogues.blocked_multinomial_nll(hidden, weight, bias, rows, items_at_once=512)
checked.assert_close("the likelihood in blocks of 512 items is the exact one", in_blocks, exact, rtol=1e-5)
popular = bias.exp() / bias.exp().sum()


def bias_of(draws, proposal, repeats=200):
    errors = torch.stack([
        (catalogues.sampled_multinomial_nll(hidden, weight, bias, rows, draws, proposal, made) - exact).mean()
        for _ in range(repeats)
    ]) / n_clicks  # fmt: skip
    return float(errors.mean()), 1.96 * float(errors.std()) / math.sqrt(repeats)


sampled = [
    {"draws S": draws, "drawn": drawn, "bias": mean, "±": half}
    for drawn, proposal in (("evenly", None), ("by popularity", popular))
    for draws in (100, 400, 1600)
    for mean, half in [bias_of(draws, proposal)]
]
few, many = sampled[0]["bias"], sampled[2]["bias"]
checked.assert_true("too few draws make the likelihood look better than it is", few < -sampled[0]["±"])
checked.assert_true("sixteen times the draws leave less than a quarter of the bias", abs(many) < abs(few) / 4)
checked.assert_true("draws that know what is popular have less of it", abs(sampled[3]["bias"]) < abs(few))
pd.DataFrame(sampled).style.format({"bias": "{:+.4f}", "±": "{:.4f}"}, escape="html").hide()

# %% [markdown]
# The bias is in nats an interaction (a model that knows nothing loses $\log 10{,}000 \approx 9.2$ of them): small
# beside the loss, but always to the same side. The table of all logits here has
# $64\cdot 10{,}000 = 640{,}000$ numbers, a block 33,000, and 400 draws 26,000, whatever the number of items; what grows
# with the items is their weights and vectors. `settings={"items_at_once": 4096}` trains a run of Mult-VAE in blocks,
# `settings={"draws": 2000}` with sampled items, more of them from the popular ones; both also below DMRec, and users
# are ranked fewer at a time where items are many.
#
# ## Paper vs code
#
# | | original Mult-VAE | the paper on DMRec | DMRec's published code |
# |---|---|---|---|
# | input row | divided by its length | not mentioned | as it is |
# | dropout of the input | 0.5 | not mentioned | 0.3 (Steam: 0.2) |
# | weight of the prior term | rises from 0 to a tuned value | 1 | 1 from the first step |
# | initial weights | Xavier | "Xavier" | PyTorch's default |
# | at test time | $z$ = mean | not mentioned | $z$ = mean |
# | widths (hidden, latent) | 600, 200 | 200 | 600, 200 |
#
# - There is **no published file of the plain base model**. The kit's base is DMRec's network without the language
#   branch; the paper's base row may have used another schedule. So notebook 12 sweeps the prior term's weight as
#   carefully as λ.
# - Dropout at the input means that training does not maximise Eq. 2 itself: the encoder reads a row with holes and
#   explains the whole row. That makes it a *denoising* autoencoder.
# - The likelihood leaves out the multinomial's constant. Differences between models are unaffected; the nats above are
#   not probabilities of sets of items.
#
# ## What we checked

# %%
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. Write the reparameterised draw: a function of an encoder's output `heads`, `(B, 2d)`, and of the dice `epsilon`,
#    `(B, d)`, that returns $z$.
# 2. The true posterior is $\mathcal N(1, 1)$ and the guess is $\mathcal N(0, 1)$. By how many nats is the bound of
#    Eq. 1 below $\log p(x)$?
# 3. In the solvable world above ($x = 1$), find a guess with a gap below 0.01 nats. Give `answer_3 = (mean, std)`. Use
#    the slider, or Bayes' rule.

# %%
answer_1 = None  # def answer_1(heads, epsilon): ...
answer_2 = None
answer_3 = None  # (mean, std)

notebook.check("02.1", answer_1)
notebook.check("02.2", answer_2)
notebook.check("02.3", answer_3)

# %% [markdown]
# ## Keep the figure and its numbers

# %%
numbers = {
    "bounds": table,
    "mean_gap_nats": gap,
    "gap_left_by_1000_draws": left,
    "std_by_history": grouped.to_dict(),
    "ranking": rank.to_dict(),
}
path = lesson.keep("02_collaborative_space", figure, numbers, [result, wide])
print(path.name)
