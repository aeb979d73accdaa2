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
# # 00 · Start here: DMRec on one page
#
# *Core path, about 15 minutes. Next: 00b.*
#
# *As a page: `make site`, then open `build/site/notebooks/00_start_here.html`.*
#
# A recommender that learns from clicks knows a lot about busy users and little about quiet ones. A language model can
# read: it knows what a book is about, and it can write a sentence about a person's taste from five titles. **DMRec**
# (SIGIR 2025) brings the two together. It does not glue the text onto the user; it turns the text into a second
# *probability distribution* over the user's tastes. The paper's equations pull the two towards each other. Its authors
# published code, too, with three losses. One of them does that; the two others do something else, which 04 shows: they
# make the clicks a small correction of the text. This page uses one of those two.
#
# **After this page you will be able to** say what the two spaces are, what DMRec's one coefficient λ does, how a
# recommendation is judged, and whether language helped here.
#
# The whole model in a picture; its words are explained below it, and numbers of equations (Eq.) are the paper's.
#
# ```mermaid
# flowchart LR
#     X["clicks x_u"] --> E["encoder"] --> Q["q: collaborative distribution"]
#     T["texts s_u, s_i"] --> W["vectors w_u, w_i"] --> M["meta-network"] --> P["p: language distribution"]
#     X -- "whose item texts (Eq. 7)" --> M
#     Q --> S(("fused")) --> Z["taste z"] --> D["decoder"] --> R["scores for all items"]
#     P --> S
#     S -. "matched: published CPDM, MDDM" .- P
#     Q -. "matched: paper's equations, published GODM" .- P
# ```
#
# - **Collaborative space**: $q_\phi(z_u|x_u)$, a Gaussian over user $u$'s taste $z_u$, made from their clicks $x_u$
#   (the paper calls them *interactions*).
# - **Language space**: $p_\varphi(z_u|s_u)$, a Gaussian over the *same* $z_u$, made from texts: the user's, $s_u$, and
#   those of the items they clicked, $s_i$. So it reads the clicks, too.
# - $\phi$, $\varphi$, $\theta$: the weights of three neural networks. The **encoder** makes $q$ from clicks, the
#   **meta-network** makes $p$ from texts, the **decoder** turns a taste into a score for every item.
# - $w_u, w_i$: the texts of a user and of an item, each turned into a vector once, by an *embedder*, and kept as it is.
# - **Fused**: the distribution that the taste $z_u$ is drawn from, made of both.
# - **Prior**: $p_z = \mathcal N(0, I)$, what is believed of a user of whom nothing is known. What is believed once data
#   have been seen is called a **posterior**: $q$ is one, and so is the fused distribution.
# - **Matching**: a part of the loss (the number that training makes small) that says how far two distributions are
#   apart. Another part holds the posterior to the prior. **λ** (lambda) is the one coefficient between these two.
#
# **Which way λ goes depends on the strategy**, the way in which the distance is measured. There are three: GODM
# ("global optimality for distribution matching"), CPDM ("composite prior") and MDDM ("mixing divergence").
#
# | strategy | λ is | λ = 0 | λ = 1 |
# |---|---|---|---|
# | GODM, CPDM | the weight of the matching, added to the prior's pull | no matching | full weight |
# | **MDDM**, on this page | the prior's *share* of both pulls; language has the rest | no prior | no matching |
#
# **Two variants.** The paper prints equations, and its authors published code; they are not the same model. In the
# equations $q$ is matched with $p$. In the **published** code, the default of this kit and the one that the paper's
# numbers are tied to, CPDM and MDDM match the *fused* posterior with $p$. The *base model* is the same recommender
# without any text; a model at "no matching" is not the base, as the texts are still in its fused posterior. Notebook
# 00b puts the two variants side by side.
#
# **Two words of the settings below.** `toy` is a small made-up data set, quick enough to train while you read. A *seed*
# starts the random numbers of one training: three seeds, three trainings that differ by luck alone.

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
embedder = "auto"  # what turns texts into vectors
device = "auto"
seeds = 3
first_seed = 2024
lambdas = [0.0, 0.5, 1.0]  # of the slider's curve
user = 0  # the user we look at
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from dmrec_core import analysis, language, notebook, panels, top_items, training, user_batch
from dmrec_core.figures import kept
from dmrec_core.paper import real_data
from dmrec_core.records import markdown_text

lesson = notebook.begin(
    dataset, embedder, device, seeds, figures_dir, first_seed=first_seed, user=user, lambdas=lambdas
)
data, checked = lesson.data, lesson.checked

# %% [markdown]
# ## One user
#
# What the two spaces have to go on. Everybody's clicks are split in three: **training** items, which models learn from;
# **validation** items, on which settings and the end of training are chosen; **test** items, kept for the end. The
# user's text is made from their training items only: a text that had seen the test items would be cheating.


# %%
def titles_of(items):
    return [data.titles[i] if data.titles else f"item {i}" for i in items]


def row(matrix, u):
    return matrix.indices[matrix.indptr[u] : matrix.indptr[u + 1]]


has_text = data.profiles is not None or data.titles is not None
text = language.user_texts(data)[user] if has_text else "(this data set came with vectors, not with texts)"
clicked, later = (markdown_text(", ".join(titles_of(row(matrix, user)))) for matrix in (data.train, data.test))
Markdown(
    f"**User {user}** clicked: {clicked}.\n\n"
    f"**Held out for the test:** {later or 'nothing'}.\n\n"
    f"**The text about them:** {markdown_text(text[:600])}{'…' if len(text) > 600 else ''}"
)

# %% [markdown]
# ## How a recommendation is judged
#
# > **What the model reads.** A user's *training* items only, also at test time; validation items are not added.
# >
# > **What it ranks.** All items. Those they trained on are masked; validation items stay candidates at test, so they
# > may take a place above a test item. Users without a test item are left out of the mean.
# >
# > **Recall@K** = hits / all held-out items of the user; a *hit* is a held-out item among the first K ranked. It is
# > never divided by K: with 30 held-out items, Recall@20 cannot reach 1.
# >
# > **NDCG@K** ("normalised discounted cumulative gain") also asks how high up the hits are. A hit at rank $r$ counts
# > $1/\log_2(r+1)$, the *discount*: rank 1 counts 1, rank 3 one half. The sum is divided by a perfect ranking's, which
# > has its hits at the top: $\min(K, \text{held-out items})$ of them.
# >
# > **When training stops.** Every few epochs (an *epoch* is once through all users) Recall@20 is measured on the
# > validation items. After so many measurements without a new best one (the *patience*), or at the limit of epochs,
# > training stops, and the best weights are kept. The test items are looked at once, at the end.
# >
# > **What `±` is.** A 95 % interval of the mean over *seeds* (Student's t: made so that of a hundred such intervals
# > some 95 hold the mean of endless seeds): how much the number moves with the random numbers of a training. It does
# > not say how it would move with other users or other data; where a page means another interval, it says so.
# >
# > **What a p-value is.** How often luck alone would give a difference as clear as this one, if there were none.
# > "Paired t" is the test: two models are compared seed by seed, or, as *p over users*, user by user. (The distribution
# > $p$ has nothing to do with it.)
# >
# > **When a statement *holds*.** A paired difference has two 95 % intervals, one over seeds and one over users. The
# > statement *holds* if both lie on the claimed side of zero. It *does not hold here* if both lie on the other side.
# > Else it is *not decided*. (Two models are *equal* if both intervals lie within 1 % of the base, and not equal if
# > both lie on one side of zero. A number that no single user has, such as one about the whole latent space in 07, has
# > an interval over seeds only.) *Validation chose no matching*: λ is chosen on validation items, and the chosen one
# > matches nothing, so there is nothing of the strategy to be judged.
# >
# > Who asks many questions finds some clear answers by luck. A verdict marked *alone* would not stand if the number of
# > questions were counted in (by Holm's correction: the clearest of them needs a p-value of 0.05 / number, the next a
# > little more, and so on).
#
# By hand: two held-out items, found at ranks 2 and 5.

# %%
ranks, n_held_out = torch.tensor([2.0, 5.0]), 2
recall = len(ranks) / n_held_out
gained = (1 / torch.log2(ranks + 1)).sum()
perfect = (1 / torch.log2(torch.arange(1, min(20, n_held_out) + 1) + 1)).sum()  # both at the top
print(f"Recall@20 = {recall:.2f}, NDCG@20 = {gained:.3f} / {perfect:.3f} = {gained / perfect:.3f}")
hits = torch.zeros(1, 20, dtype=torch.bool)
hits[0, ranks.long() - 1] = True
core = training.ranking_metrics(hits, torch.tensor([n_held_out]), cutoffs=(20,))
checked.assert_close("Recall@20 by hand", recall, core["recall@20"][0])
checked.assert_close("NDCG@20 by hand", gained / perfect, core["ndcg@20"][0])
settings = lesson.spec().train
print(f"training: measured every {settings.evaluate_every} epochs, patience {settings.patience} measurements")

# %% [markdown]
# ## Train the base model and DMRec
#
# The base model is Mult-VAE, a *variational autoencoder*: encoder, a draw from its Gaussian, decoder; clicks in, scores
# out. DMRec-M is the same network with the language space attached and the MDDM strategy (DMRec-G has GODM, DMRec-C
# CPDM), published variant, at λ = 0.5 in the table and at others for the slider below. Same data, same seeds, same
# stopping rule. A *run*, one training, takes a few seconds and is kept, so this cell is instant the second time.

# %%
results = lesson.sweep(lesson.spec("base"), lesson.spec("mddm"))
base, dmrec = results[:seeds], results[seeds:]
curve = lesson.sweep(lesson.spec("mddm"), lam=lambdas)  # for the slider below

rows = []
for metric in ("recall@20", "ndcg@20"):
    b, d = ([r.metrics["test"][metric] for r in runs] for runs in (base, dmrec))
    row_ = {
        "metric": training.metric_label(metric),
        "base": str(analysis.mean_interval(b)),
        "DMRec-M": str(analysis.mean_interval(d)),
    }
    row_["gain in %"] = 100 * (np.mean(d) / np.mean(b) - 1)
    row_["p (paired t)"] = analysis.paired_test(d, b).p if seeds > 1 else None
    rows.append(row_)
headline = pd.DataFrame(rows)
headline.style.format({"gain in %": "{:+.1f}", "p (paired t)": "{:.2g}"}, na_rep="one seed", escape="html").hide()

# %% [markdown]
# ## The picture: who gains?
#
# Users in groups by how much they clicked. Grey bars: how many users each group has. If language fills the gaps that
# clicks leave, the left-most group should gain most.

# %%
groups = analysis.sparsity_groups(data)
by_group = analysis.group_metrics(results, groups, "ndcg@20")
figure = kept.sparsity_groups(by_group, "ndcg@20")
figure

# %%
wide = by_group.pivot(index="label", columns="strategy", values="mean").loc[groups.labels()]
gains = 100 * (wide["mddm"] / wide["base"] - 1)
print("gain of DMRec-M over the base, NDCG@20, by training interactions:")
for label, gain in gains.items():
    print(f"  {label:>8}: {gain:+.1f} %")

# %% [markdown]
# A caution about `toy`: in that world texts are written from the items' true themes, so users with few clicks (*sparse*
# users) gain **by construction**. It shows how the method works, not that it works on your data. Set `dataset =
# "yelp-xrec"` for real people and texts that a GPT model wrote, or name the folder of your own data
# ([01](01_data_and_profiles.ipynb) says how). Notebook 12 asks how much of a gain is language at all.

# %% [markdown]
# ## And on real data?
#
# There a run takes minutes, so what it measured is kept, and read here: test Recall@20 of the base, of DMRec-M as
# published at one λ, and, where several λ were run, at the one that validation likes best (λ = 1 is "no matching").
# Beside it stands a *linear* model that never reads a text, solved in a minute: the best of five on validation
# (notebook 11 has them). *bf16*: those runs multiplied matrices in 16-bit numbers; they are runs of their own, and may
# differ a little from those behind the claims.

# %%
Markdown(real_data.does_it_help())

# %% [markdown]
# Hold it against the table of `toy` above, where texts are true by construction. Notebook 09 says why λ = 0 hurts, 12
# what else was tried, and [the results page](../figures/RESULTS.md) has every number.
#
# ## Move λ
#
# **What this slider teaches: at λ = 1 the language space is still inside the model, but nothing is matched. At λ = 0
# the prior is gone: the posterior is held to $p$, but $p$ itself to nothing, so the two may run off together and learn
# the training clicks by heart (09). What helps lies between, if anything does.** Between trained points the picture is
# interpolated and says so; when the slider rests, the model is trained at that λ, which takes seconds. The panel
# opens with a user one of whose test items is among the first ten, so that you see it move; pick another above it.

# %%
trainer = panels.Trainer(seed=first_seed, device=device)
runs = list({run.spec: run for run in [*results, *curve]}.values())
panel = panels.lambda_panel(dataset, ("mddm",), grid_results=runs, dataset=data, trainer=trainer)

# %% [markdown]
# ## The same user, two models


# %%
def top10(result):
    model = result.model(data)
    batch = user_batch(data.train, np.array([user]))
    with torch.no_grad():
        scores = model.score(batch)
    scores[0, batch.rows.items] = -torch.inf  # what they already clicked is not recommended
    return [i for i in top_items(scores, 10)[0].tolist() if scores[0, i] > -torch.inf]  # fewer where fewer are left


held_out = set(row(data.test, user))
columns = {
    name: [("✓ " if i in held_out else "") + titles_of([i])[0] for i in top10(runs[0])]
    for name, runs in (("base", base), ("DMRec-M", dmrec))
}
pd.DataFrame(columns, index=range(1, 1 + len(columns["base"]))).rename_axis("rank")

# %% [markdown]
# ✓ marks items the user did choose later.
#
# ## Where to go next
#
# | notebook | equations | what you will do there |
# |---|---|---|
# | 00b DMRec in 80 lines | 3, 6, 7, 15, 18, 19 | write the whole model, and take one gradient step |
# | 01 data and profiles | 4, 5 | see where the data come from and what a text vector knows |
# | 02 collaborative space | 1, 2, 3 | derive what Mult-VAE's loss leaves out, and check it by sampling |
# | 03 language space | 6, 7 | turn a vector into a distribution |
# | 04 distribution matching | 8 to 17 | move mass, mix priors, and see what λ pulls on; 04b proves it |
# | 05 training | 18, 19, Algorithm 1 | take a training step by hand, compare learning curves |
# | 06 sparsity groups | Figure 3 | who gains |
# | 07 dimension activity | Figure 4 | which dimensions of the taste are used |
# | 08 ablations | Figure 5 | take parts away |
# | 09 lambda sensitivity | Figure 6 | move λ, and see why MDDM can fail at 0 |
# | 10 base models | Table 2 | put DMRec on three base models, and ask over which base it gains |
# | 11 language baselines | Table 3 | see what six other models do with a text |
# | 12 is it the language? | | the questions the paper does not ask |
# | 13 explore | | one user, every λ, a base model of your own |
#
# ## What we checked

# %%
masked = all(i not in set(row(data.train, user)) for i in top10(dmrec[0]))
checked.assert_true("no recommended item is one the user trained on", masked)
checked.assert_true("the groups cover all test users", abs(sum(groups.shares) - 1) < 1e-9)
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. A user has 4 held-out items; 1 of them is in the top 20. What is their Recall@20?
# 2. Which space knows something about a user with a single click on an item nobody else clicked: `"collaborative"` or
#    `"language"`?
# 3. In the table of groups, which label has the largest gain?

# %%
answer_1 = None
answer_2 = None
answer_3 = None

notebook.check("00.1", answer_1)
notebook.check("00.2", answer_2)
notebook.check("Exercise 00.3", answer_3, truth=str(gains.idxmax()), hint="Read the printed gains.")

# %% [markdown]
# ## Keep the figure and its numbers

# %%
numbers = {"headline": analysis.for_json(headline), "groups": analysis.for_json(by_group)}
path = lesson.keep("00_start_here", figure, numbers, results, lam=lesson.spec("mddm").lam)
print(path.name)
