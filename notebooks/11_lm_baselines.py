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
# # 11 · Other ways to use a language model: Table 3
#
# *Appendix, about 45 minutes: the paper's Table 3. Reads after 05.*
#
# *As a page: `make site`, then open `build/site/notebooks/11_lm_baselines.html`.*
#
# DMRec turns texts into a distribution and matches it. Others align embeddings with texts, rebuild texts from
# embeddings, feed texts in at the bottom, let a language model make up new clicks, or use nothing but texts. Table 3
# of the paper compares DMRec with six such models. Here each of them gets its idea, its equation and, where it helps,
# its picture; then the table is made again.
#
# **You will be able to** say in one sentence what each model does with a text, tell which numbers of Table 3 were run
# by whom, and separate what the *language* adds from what the *base model* adds.
#
# **Before this one:** `01_data_and_profiles` (text vectors). `10_base_models` shows the base models of DMRec.
#
# **Symbols used throughout**
#
# - $u$: a user; $i$: an item; $i^+$: an item the user clicked, $i^-$: one they did not; $R$: the training clicks, $M$
#   users by $N$ items.
# - $w_u, w_i\in\mathbb R^{d_s}$: the text vectors of the user's and of the item's profile. Never trained.
# - $e_u, e_i\in\mathbb R^d$: **embeddings**, vectors that are trained; all of them after $l$ of $H$ layers: $E^{(l)}$.
# - $y_{ui}=e_u^\top e_i$: the score that ranks. These models have no distribution and no decoder.
# - $\cos(a,b)$: the cosine of the angle between two vectors; τ: a temperature; small τ sharpens. $L$: a loss; κ: its
#   weight. $\mathrm{MLP}$: a small network of a few layers.
# - Letters that a section introduces hold in that section only.

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
embedder = "auto"  # what turns texts into vectors
device = "auto"
seeds = 3
first_seed = 2024
tune = None  # or True, or values of λ: the first seed's validation chooses it, and one setting of every other model
precision = "float32"  # of matrix products; "bf16": faster where the processor has units for it, refused elsewhere
patience = None  # evaluations without a gain before a run stops; None: each model's own
readings = False  # also train three models the other way they can be read, and KAR with the wrong texts
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from IPython.display import Markdown
from scipy.cluster.hierarchy import leaves_list, linkage

from dmrec_core import analysis, baselines, notebook, paper, user_batch
from dmrec_core.figures import kept
from dmrec_core.paper import claims, printed, tables
from dmrec_core.runs import CARDS, untrained

lesson = notebook.begin(
    dataset, embedder, device, seeds, figures_dir, first_seed=first_seed,
    needs_text=False, tune=tune, precision=precision, patience=patience,
)  # fmt: skip
data, checked = lesson.data, lesson.checked
texts = paper.has_text(data)
if not texts:
    print("This data has no texts: only what reads none is run, LightGCN, the base of DMRec and the linear references.")

# %% [markdown]
# ## Train the table
#
# Finished runs are kept in `runs/` and read back the next time. LLMRec starts from a trained LightGCN. (`precision =
# "bf16"` multiplies matrices in 16-bit numbers, which is faster and less exact.)

# %%
plans = paper.plan_table3(dataset, tune=tune, embedder=embedder)
plans = paper.that_fit(plans if texts else paper.without_vectors(plans), data)
bases = paper.plan_table2(dataset, ["mult-vae"], tune, embedder=embedder)
bases = [plan for plan in bases if plan.label.startswith("base")]


def other_reading(model, label, fields=None, **settings):
    spec = lesson.spec(model=model)
    spec = spec.with_(settings={**dict(spec.settings), **settings}, **(fields or {}))
    return paper.Plan(f"{model} {label}", model, label, (spec,), against=(model,))


others = [
    other_reading("kar", "with a projection P to d numbers", project=True),
    other_reading("kar", "with everybody's texts shuffled", {"vectors": "shuffled"}),
    other_reading("lightgcn", "as wide as KAR", {"latent": 2 * lesson.spec(model="lightgcn").latent}),
    other_reading("llmrec", "keeping the easy pairs", prune="easy"),
    other_reading("alpharec-star", "own text and the items' mean", users_from="own+items"),
]
others = others if texts and readings else []
every_plan = paper.trained_with([*plans, *bases, *others], precision, patience=patience)
every_row = paper.fill(every_plan, lesson.seeds, printed.TABLE3_METRICS, device=device)
row_of = {row.plan.key: row for row in every_row}
rows, other_rows = every_row[: len(plans)], every_row[len(plans) + len(bases) :]
runs = [run for row in rows for run in row.runs]
print(f"{len(rows)} rows, {len(runs)} runs")


def before_and_after(model):
    run = row_of[model].runs[0]
    return untrained(run.spec, data).eval(), run.model(data)


# %% [markdown]
# A world to calculate by hand: two users, three items, text vectors of four numbers, embeddings of two.

# %%
x = torch.tensor([[1.0, 0, 1], [0, 1, 1]])  # R, (2, 3)
train = sp.csr_matrix(x.numpy())
w_users = torch.tensor([[1.0, 0, 0, 0.5], [0, 1, 0.5, 0]])  # (2, 4)
w_items = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]])  # (3, 4)
d_u, d_i = x.sum(1, keepdim=True), x.sum(0, keepdim=True)  # degrees
r_hat = x / (d_u * d_i).sqrt()  # (2, 3)
batch = baselines.PairBatch(
    users=torch.tensor([0, 1]), positives=torch.tensor([2, 1]), negatives=torch.tensor([[1], [0]])
)


def cosine_matrix(a, b):
    return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T


print(r_hat)

# %% [markdown]
# ## LightGCN: no language at all
#
# **Idea.** Give every user and item an embedding and let the neighbours' embeddings flow along the clicks, a few
# times. Most models below stand on it, so it is the line they must beat.
#
# - $\hat R=D_U^{-1/2}RD_I^{-1/2}$: the clicks, each weighted $1/\sqrt{d_ud_i}$; $d_u, d_i$: how many clicks user and
#   item have (in the diagonals of $D_U$ and $D_I$; $d$ alone is the width).
# - $L_{BPR}$: Bayesian personalised ranking, scores of clicked items against scores of drawn ones that were not.
#
# $$E_U^{(l)}=\hat R\,E_I^{(l-1)},\quad E_I^{(l)}=\hat R^\top E_U^{(l-1)},\qquad e=\sum_{l=0}^{H}E^{(l)},\qquad
# L_{BPR}=\frac1B\sum\mathrm{softplus}\big(y_{ui^-}-y_{ui^+}\big)$$
#
# $\mathrm{softplus}(y)=\log(1+e^y)$: the loss is small when the clicked item scores higher. $B$: pairs in a batch.

# %%
torch.manual_seed(first_seed)
small = baselines.LightGCN(train, latent=2, layers=2, edge_dropout=0.0)
users, items = [small.user_embeddings], [small.item_embeddings]
for _ in range(2):
    users, items = [*users, r_hat @ items[-1]], [*items, r_hat.T @ users[-1]]  # both from the layer before
e_u, e_i = sum(users), sum(items)
gap = (e_u * e_i[batch.negatives[:, 0]]).sum(1) - (e_u * e_i[batch.positives]).sum(1)
by_hand = torch.log1p(torch.exp(gap))  # (2,)
print("e_u", tuple(e_u.shape), "e_i", tuple(e_i.shape), "loss", by_hand.detach())

# %%
checked.assert_close("LightGCN's embeddings by hand", torch.cat([e_u, e_i]), torch.cat(small.embeddings()))
checked.assert_close("its BPR by hand", by_hand, small.loss(batch).terms["bpr"])
notebook.show_source(baselines.bpr)

# %% [markdown]
# ## RLMRec-C: contrast
#
# **Idea.** A user's embedding should point where their *text* points, more than where other users' texts point. A
# small network turns texts into the embeddings' space; the text itself stays out of the score.
#
# - $t=\mathrm{MLP}(w)$: the text, turned into $d$ numbers; $\mathcal T$: the texts it is contrasted with.
# - $\ell$: the contrastive loss, called InfoNCE. Its logarithms are natural logarithms, so it is told in nats.
#
# $$\ell(e,t;\mathcal T)=-\frac{\cos(e,t)}{\tau}+\log\sum_{t'\in\mathcal T}e^{\cos(e,t')/\tau},\qquad
# L=L_{BPR}+\frac{\kappa}{B}\sum\big[\ell(e_u)+\ell(e_{i^+})+\ell(e_{i^-})\big]$$

# %%
small = baselines.RLMRecContrastive(train, w_users, w_items, latent=2, contrast_weight=0.5, layers=1, edge_dropout=0.0)
(e_u, e_i), (t_u, t_i) = small.embeddings(), (small.to_taste(w_users), small.to_taste(w_items))


def nce(e, t, among, tau=0.2):
    own = F.cosine_similarity(e, t) / tau
    return torch.logsumexp(cosine_matrix(e, among) / tau, 1) - own


plus, minus = batch.positives, batch.negatives[:, 0]
by_hand = nce(e_u, t_u, t_u) + nce(e_i[plus], t_i[plus], t_i[plus]) + nce(e_i[minus], t_i[minus], t_i[minus])
print("one number a pair:", by_hand.detach())

# %%
checked.assert_close("RLMRec-C's contrast by hand", 0.5 * by_hand, small.loss(batch).terms["contrast"])
checked.assert_close("InfoNCE by hand", nce(e_u, t_u, t_u), baselines.info_nce(e_u, t_u, t_u, 0.2))
notebook.show_source(baselines.info_nce)

# %% [markdown]
# **What training does.** Cosines of some users' embeddings (rows) with their texts after the MLP (columns), sorted so
# that users with similar texts are neighbours. On the diagonal: each user with their own text.

# %%
if texts:
    some = np.random.default_rng(0).permutation(data.n_users)[:60]
    some = some[leaves_list(linkage(data.language.user[some], "average", metric="cosine"))]
    panels, ranks = {}, {}
    for name, model in zip(("before training", "after"), before_and_after("rlmrec-c"), strict=True):
        with torch.no_grad():
            every = cosine_matrix(model.embeddings()[0], model.to_taste(model.user_vectors))
        panels[name] = every.numpy()[np.ix_(some, some)]
        ranks[name] = float((every > every.diag()[:, None]).sum(1).float().median()) + 1
    print("median rank of a user's own text among all users':", {name: int(rank) for name, rank in ranks.items()})
    drawing = kept.similarity(panels, "embeddings of users", "their texts")
drawing if texts else None

# %% [markdown]
# ## RLMRec-G: mask and rebuild
#
# **Idea.** Hide the own embeddings of some *nodes* (users and items of the graph) behind one learnt vector, a token.
# What arrives there through the graph must suffice to tell the node's *text*. So neighbourhoods are made to carry what
# texts say.
#
# - $\mathcal M$: the hidden nodes, users and items alike, drawn anew each step.
#
# $$L=L_{BPR}\text{ (on the masked graph)}+\frac{\kappa}{|\mathcal M|}\sum_{v\in\mathcal M}
# \ell\big(\mathrm{MLP}(e_v),\,w_v;\,\{w_{v'}\}_{v'\in\mathcal M}\big)$$

# %%
small = baselines.RLMRecGenerative(train, w_users, w_items, latent=2, mask_ratio=0.6, layers=1, edge_dropout=0.0)
seeded = baselines.PairBatch(batch.users, batch.positives, batch.negatives, torch.Generator().manual_seed(1))
hidden = small.masked_nodes(torch.Generator().manual_seed(1))  # the same draw as inside the loss
start = torch.cat(small.initial_embeddings()).clone()
start[hidden] = small.mask_token
e_u, e_i = start[:2] + r_hat @ start[2:], start[2:] + r_hat.T @ start[:2]  # one layer, summed with layer 0
told = small.to_text(torch.cat([e_u, e_i])[hidden])
true = torch.cat([w_users, w_items])[hidden]
print(f"hidden nodes (users 0-1, items 2-4): {hidden.tolist()}, told {tuple(told.shape)}")

# %%
inside = small.loss(seeded).terms["reconstruction"]
by_hand = 0.1 * nce(told, true, true, tau=0.5).mean()
checked.assert_close("RLMRec-G's reconstruction by hand", by_hand, inside.mean())
notebook.show_source(baselines.RLMRecGenerative.masked_nodes)

# %%
if texts:
    found = {}
    for name, model in zip(("before training", "after"), before_and_after("rlmrec-g"), strict=True):
        with torch.no_grad():
            hidden = model.masked_nodes(torch.Generator().manual_seed(0))
            start = torch.cat(model.initial_embeddings()).clone()
            start[hidden] = model.mask_token
            ends = model.propagated(start.split([data.n_users, data.n_items]))
            truth = torch.cat([model.user_vectors, model.item_vectors])[hidden]
            cosine = cosine_matrix(model.to_text(torch.cat(ends)[hidden]), truth)
        found[name] = int((cosine > cosine.diag()[:, None]).sum(1).float().median()) + 1
    print(f"median rank of a hidden node's own text among the {len(hidden)} hidden ones: {found}")

# %% [markdown]
# ## KAR: experts, at the input
#
# **Idea.** Several small networks (*experts*) read the text, a gate decides how much to listen to each, and what they
# say is put beside the embedding before anything flows. Two experts are shared by users and items.
#
# - $F_k$: expert $k$, two layers with ReLUs, $\max(0,\cdot)$; $Q$: the gate's matrix; $v$: a node, user or item;
#   $[a;b]$: two vectors end to end.
#
# $$E^{(0)}_v=\Big[e_v;\ \sum_k\mathrm{softmax}(Qw_v)_k\,F_k(w_v)\Big],\qquad\text{then as LightGCN}$$
#
# So vectors are $2d$ wide here: half learned for the node, half read from its text.

# %%
shared = baselines.Experts(n_experts=1, d_in=4, hidden=9, d_out=2)
tower = baselines.ExpertTower(shared, n_specific=1, d_in=4, hidden=9, d_out=2)
gate = torch.softmax(tower.gate(w_users), 1)  # (2, 2)
by_hand = 0
for k, expert in enumerate((shared, tower.specific)):
    inner = torch.relu(w_users @ expert.first.weight.T + expert.first.bias)  # (2, 4) -> (2, 9)
    by_hand += gate[:, k : k + 1] * torch.relu(inner @ expert.weight[0] + expert.bias[0])  # (2, 9) -> (2, 2)
print("gate", gate.detach(), "\nout", by_hand.detach())

# %%
assert by_hand.abs().max() > 0.01  # not all ReLUs are closed
checked.assert_close("KAR's tower by hand", by_hand, tower(w_users))
notebook.show_source(baselines.ExpertTower.forward)

# %%
if texts:
    _, trained = before_and_after("kar")
    towers = {"users": (trained.user_tower, trained.user_vectors), "items": (trained.item_tower, trained.item_vectors)}
    with torch.no_grad():
        weights = {side: torch.softmax(tower.gate(w), 1).numpy() for side, (tower, w) in towers.items()}
    drawing = kept.gates(weights, shared=len(trained.user_tower.shared.weight))
    farthest = max(float(np.abs(w.mean(0) * w.shape[1] - 1).max()) for w in weights.values())
    print(f"the expert farthest from an equal share is {100 * farthest:.0f} % off it")
drawing if texts else None

# %% [markdown]
# If all bars stand near the dashed line, the gates have not learnt whom to listen to, and the experts are one network
# in seven parts.
#
# ## LLMRec: let the language model click
#
# **Idea.** Show a language model ten candidates and let it say which one this user would like and which not: a new
# pair for training. Profiles and attributes join the embedding with fixed weights. Since the new pairs are noisy,
# part of every batch is left out.
#
# - $C_u$: ten items a trained LightGCN puts first; $i^+,i^-\in C_u$: the model's choices.
# - $\bar e$: the mean of the embeddings over layers; $p$ (here no distribution): the text profile after one walk over
#   the graph; $a$: the item texts likewise; a hat: divided by its length; $h$: what takes the embedding's place.
#
# $$i^+=\arg\max_{i\in C_u}\cos(w_u,w_i),\quad i^-=\arg\min_{i\in C_u}\cos(w_u,w_i),\qquad
# h=\bar e+2.8\,\hat p+0.005\,\hat a$$
#
# The first two are **our proxy**: no language model is asked here. Whoever has one hands its choices to `LLMRec`.

# %%
pool = torch.tensor([[1, 2], [0, 2]])  # C_u
edges = torch.tensor([sorted(c, key=lambda i: -float(cosine_matrix(w_users[[u]], w_items[[i]])))
                      for u, c in enumerate(pool.tolist())])  # fmt: skip
small = baselines.LLMRec(train, w_users, w_items, edges, latent=2, layers=1)
to_users, to_items = x / d_u.sqrt(), x.T / d_i.T.sqrt()  # one-sided: only the receiver's degree counts
p_u = to_users @ (to_items @ small.profile_layer(w_users))
a_u = to_users @ small.attribute_layer(w_items)
first = torch.softmax(to_users @ small.item_embeddings, 1)  # the last layer goes through a softmax
by_hand = (small.user_embeddings + first) / 2 + 2.8 * F.normalize(p_u, dim=1) + 0.005 * F.normalize(a_u, dim=1)
print("liked, disliked:", edges.tolist(), "\nh of the users", by_hand.detach())

# %%
checked.assert_close("LLMRec's edges by hand", edges, baselines.edges_by_cosine(w_users, w_items, pool))
checked.assert_close("LLMRec's h by hand", by_hand, small.embeddings()[0])
notebook.show_source(baselines.prune)

# %% [markdown]
# **Which part is left out?** The prose says the largest losses, since those pairs may be noise. The printed formula
# and the code sort the other way and keep *exactly* the largest 29 %. The picture is of one batch of a trained model.

# %%
if texts:
    _, trained = before_and_after("llmrec")
    generator = torch.Generator().manual_seed(first_seed)
    pairs = next(iter(trained.batches(data.train, 4096, 0, generator, torch.device("cpu"))))
    with torch.no_grad():
        e_u, e_i = trained.embeddings()
        won, lost = ((e_u[pairs.users] * e_i[i]).sum(1) for i in (pairs.positives, pairs.negatives[:, 0]))
        losses = baselines.bpr(won, lost)
    hardest = baselines.prune(losses, 0.71)
    by_hand = losses.sort(descending=True).values[: len(hardest)]
    checked.assert_close("the kept pairs are the hardest, by hand", by_hand, hardest)
    drawing = kept.pruned(losses.numpy(), 0.71)
drawing if texts else None

# %% [markdown]
# ## AlphaRec and AlphaRec*: nothing but texts
#
# **Idea.** No embedding of its own for anybody. An item *is* its text, a user is the mean of their items' texts, one
# small network turns both into tastes, the graph smooths them, and cosines rank. AlphaRec*, which DMRec's authors add,
# takes the user's own text; whether instead of the mean or beside it they do not say.
#
# - $\mathcal N_u$: sampled items the user did not click.
#
# $$e=\frac1{H+1}\sum_{l=0}^H\hat A^l\,\mathrm{MLP}(w),\qquad
# \ell=-\log\frac{e^{\cos(e_u,e_{i^+})/\tau}}{e^{\cos(e_u,e_{i^+})/\tau}+\sum_{i^-\in\mathcal
# N_u}e^{\cos(e_u,e_{i^-})/\tau}}$$
#
# $\hat A$ is the walk of LightGCN, users to items and back at once.

# %%
small = baselines.AlphaRec(train, w_users, w_items, latent=2, layers=1, temperature=0.15)
means = (x @ w_items) / d_u  # a user is the mean of their items' texts
start_u, start_i = small.to_taste(means), small.to_taste(w_items)
e_u, e_i = (start_u + r_hat @ start_i) / 2, (start_i + r_hat.T @ start_u) / 2
cosine = cosine_matrix(e_u, e_i) / 0.15
positive, negative = cosine.gather(1, batch.positives[:, None]), cosine.gather(1, batch.negatives)
by_hand = -torch.log(positive.exp() / (positive.exp() + negative.exp().sum(1, keepdim=True)))[:, 0]
print("loss", by_hand.detach())

# %%
checked.assert_close("AlphaRec's loss by hand", by_hand, small.loss(batch).terms["softmax"])
notebook.show_source(baselines.sampled_softmax, baselines.AlphaRec._propagated)

# %%
if texts:
    held_out = data.test.toarray() > 0
    other = ~held_out & ~(data.train.toarray() > 0) & ~(data.valid.toarray() > 0)
    panels = {}
    for name, model in zip(("before training", "after"), before_and_after("alpharec"), strict=True):
        with torch.no_grad():
            e_u, e_i = model.embeddings()
            between = (e_u @ e_i.T).numpy()
        panels[name] = (between[held_out], between[other])
        near, far = between[held_out].mean(), between[other].mean()
        print(f"{name}: mean cosine with held-out items {near:.2f}, with others {far:.2f}")
    drawing = kept.cosines(panels)
drawing if texts else None

# %% [markdown]
# An untrained network and a walk over the graph make everybody look alike: all vectors point nearly one way. Training
# spreads them out, and what ranks is how far the green hill stands to the right of the grey one.
#
# ## No text and no training: the linear references
#
# **Idea.** Before any gain is called the language's: how far does one *solve* of a linear model get that reads clicks
# only? These have a solution, so nothing is trained, and every seed gives the same number. Few tables print them.
#
# - $x_u, y_u$: row $u$ of $R$, and the user's scores; $G=R^\top R$: how many users two items share; $S$: an item-item
#   matrix, the diagonal 0 (EASE's own letter, in the code, is $B$); $I$: the identity.
# - $Z$: the items' text vectors at length 1; $\gamma$: the text's weight; $\mathrm{diag}$: a vector on a diagonal.
# - $l_2, \alpha, \alpha_0, \mu, h$: numbers to choose, in this table only.
#
# | | its formula | in a sentence |
# |---|---|---|
# | popularity | $y_{ui}=G_{ii}$ | what most took, the same for everybody |
# | item-kNN | $S_{ij}=G_{ij}\,/\,(\sqrt{G_{ii}G_{jj}}+h)$ | items that the same users took, rare ones shrunk by $h$ |
# | EASE | $S=I-P\,\mathrm{diag}(1/P_{jj}),\ P=(G+l_2I)^{-1}$ | each item regressed on all others, with one ridge |
# | GF-CF | $x_u(\hat R^\top\hat R+\alpha D_I^{-1/2}VV^\top D_I^{1/2})$ | two steps of a walk, $k$ singular vectors |
# | iALS | $\min\sum_R(1-e_u^\top e_i)^2+\alpha_0\sum_{u,i}(e_u^\top e_i)^2+\dots$ | least squares, in turns |
# | L3AE | EASE $+\ \mu\lVert S-S'\rVert^2$, $S'$: EASE of the texts | EASE, drawn towards what the texts say |
# | any with text | $y_u+\gamma\,x_uZZ^\top$ | and the cosines of texts with the history |
#
# Scores are $x_uS$ where there is an $S$. EASE by hand, in the world above, with a *ridge* (a price $l_2$ on large
# numbers in $S$) of 2:

# %%
gram = x.T @ x + 2 * torch.eye(3)  # G + 2 I
inverse = torch.linalg.inv(gram)  # P
by_hand = torch.eye(3) - inverse / inverse.diag()  # column j over P_jj
ease = baselines.EASE(train, l2=2.0).solve()
print(by_hand)

# %%
checked.assert_close("EASE's matrix by hand", by_hand, ease.weight)
checked.assert_close("its scores by hand", x @ by_hand, ease.score(user_batch(train, np.arange(2))))
notebook.show_source(baselines.EASE.solution)

# %%
solved = pd.DataFrame(
    [
        {"model": row.plan.name, "Recall@20": row.ours["recall@20"].mean, "s": row.runs[0].record["seconds"]}
        for row in rows
        if row.spec.solved
    ]
)
solved.style.format({"Recall@20": "{:.4f}", "s": "{:.2f}"}, escape="html").hide()

# %% [markdown]
# ## Whose numbers are in Table 3?
#
# The paper's Recall@20, and what is known of where a row comes from.

# %%
order = ("lightgcn", "kar", "llmrec", "rlmrec-c", "rlmrec-g", "alpharec", "alpharec-star", "mult-vae")
table3 = pd.DataFrame(
    {
        "model": [CARDS[model].name if model != "mult-vae" else "DMRec-M" for model in order],
        **{name: [printed.table3(name, model)["recall@20"] for model in order] for name in printed.PAPERS_DATASETS},
        "where from": [printed.PROVENANCE[model] for model in order],
    }
)
left = {"subset": ["model", "where from"], "text-align": "left"}
table3.style.format(dict.fromkeys(printed.PAPERS_DATASETS, "{:.4f}"), escape="html").set_properties(**left).hide()

# %% [markdown]
# So in Table 3 a model with a taste of $d=200$ numbers, ten seeds and a *patience* of 60 epochs (so many without a
# better validation result, and training stops) is compared with rows of another paper: width 32, five seeds, 15 epochs.
# And LightGCN, on which three of the rivals stand, is left out.
#
# ## Table 3
#
# All models here are run by one trainer on one split, with one rule to stop. On `toy` the sizes are ours and small; on
# other data they are the published ones, and so is each model's *patience*: LightGCN and what stands on it give up
# after 15 epochs without a gain (5 evaluations), DMRec after 60 (20 evaluations). A curve that rises slowly may be cut
# short by 15. `patience = 20` above gives everybody the same twenty evaluations.
#
# With `tune = None` nobody is tuned for this table. A gap to a model that nobody tuned is weak evidence: with `tune
# = True` the first seed's validation split chooses DMRec's λ among five values, and of every other model one setting
# among as many. Try it before you believe a gap.

# %%
Markdown(tables.means(rows))

# %%
Markdown("\n\n".join(filter(None, [tables.comparisons(rows), tables.notes(rows)])))

# %% [markdown]
# ## What is the language's, and what is the base's?
#
# DMRec-M stands on Mult-VAE, its rivals on LightGCN. A row of Table 3 differs from another in *both*. What the
# language adds is a model's gain over **its own base**, trained alike. LLMRec and AlphaRec have no such base. (Columns
# named p are p-values of paired t-tests, over seeds or over users.)
#
# First from the numbers the papers print, in per cent of the own base's Recall@20:

# %%
own_base = {"rlmrec-c": "lightgcn", "rlmrec-g": "lightgcn", "kar": "lightgcn", "mult-vae": "base"}


def printed_gain(name, model):
    mine = printed.table3(name, model)["recall@20"]
    base = printed.table2(name, model, "base") if model == "mult-vae" else printed.table3(name, own_base[model])
    return 100 * (mine / base["recall@20"] - 1)


label = {model: "DMRec-M" if model == "mult-vae" else CARDS[model].name for model in own_base}
in_print = pd.DataFrame(
    {name: [printed_gain(name, model) for model in own_base] for name in printed.PAPERS_DATASETS},
    index=[label[model] for model in own_base],
)
in_print.style.format("{:+.1f} %", escape="html")

# %%
gains = []
for model, base in own_base.items() if texts else ():
    key = "mult-vae mddm" if model == "mult-vae" else model
    below = bases[-1].key if base == "base" else base  # tuned, where everything is
    found = analysis.compare(row_of[key].runs, row_of[below].runs)
    level = row_of[below].ours["recall@20"].mean
    gains.append(
        {
            "name": label[model],
            "over": row_of[below].plan.name,
            "mark": "mddm" if model == "mult-vae" else "language",
            "relative": 100 * found.relative,
            "low": 100 * found.difference.low / level,
            "high": 100 * found.difference.high / level,
            "paper": printed_gain(dataset, model) if dataset in printed.PAPERS_DATASETS else np.nan,
            "p (seeds)": found.p_seeds,
            "p (users)": found.p_users,
            "is above zero": found.judged.verdict,
        }
    )
gains = pd.DataFrame(gains, columns=None if gains else ["name", "mark", "relative", "low", "high", "paper"])
shown = {"relative": "{:+.1f} %", "low": "{:+.1f} %", "high": "{:+.1f} %", "p (seeds)": "{:.2g}", "p (users)": "{:.2g}"}
shown = {name: form for name, form in shown.items() if name in gains}
gains.drop(columns=["mark", "paper"]).style.format(shown, na_rep="one seed", escape="html").hide()

# %%
figure = kept.language_models(kept.as_frame(rows, printed.TABLE3_METRICS, "metric"), gains)
figure

# %%
lightgcn = row_of["lightgcn"].ours["recall@20"].mean
plain = row_of[bases[0].key].ours["recall@20"].mean
print(f"The two bases without any text: LightGCN {lightgcn:.4f}, Mult-VAE {plain:.4f}.")
if texts:
    ahead = row_of["mult-vae mddm"].beyond["lightgcn"]
    print(f"DMRec-M minus LightGCN, which reads nothing: {ahead}: {ahead.judged.verdict}")

# %% [markdown]
# Read the last line before any comparison among models that read: a model without a word of text is the first rival.
# Then the rows that read clicks only, and were not even trained:

# %%
clicks = [row for row in rows if row.spec.solved and not row.spec.uses_language]
best = max(clicks, key=lambda row: row.ours["recall@20"].mean)
print(f"the best linear reference that reads clicks only: {best.plan.model}, {best.ours['recall@20']}")
if texts:
    ahead = analysis.compare(row_of["mult-vae mddm"].runs, best.runs)
    print(f"DMRec-M minus it: {ahead}, p over users {ahead.p_users:.1g}: {ahead.judged.verdict}")

# %% [markdown]
#
# ## Paper vs code
#
# | | the papers | what is released, and what we do |
# |---|---|---|
# | LightGCN in RLMRec | mean over layers (He et al.) | the **sum**; dropped edges leave the others as they are |
# | RLMRec-C | no weight, no temperature; candidates "in the batch" | κ and τ; for users *all* users |
# | KAR on LightGCN | not described | unreleased, "concatenated": nothing after; below, a projection back to $d$ |
# | LLMRec's pruning | prose: drop the largest losses | formula and code: **keep** the largest |
# | LLMRec's choices | a language model | here the nearest and farthest text: a proxy |
# | LLMRec, AlphaRec: when to stop | - | their code stops on the **test** split; here on validation |
# | AlphaRec's mini-batches | - | their loader drops the last, incomplete one of an epoch; here it is kept |
# | AlphaRec at test | - | its evaluator hides training *and* validation items; here training items, for everybody |
# | AlphaRec* | "additionally" the user's text | here instead of the items' mean; the other reading below |
#
# Below, with `readings = True`: three models read the other way, and two controls for KAR, whose vectors are twice as
# wide as LightGCN's. Is it the width? LightGCN as wide. Is it the texts? KAR with everybody's texts shuffled.

# %%
for row in other_rows:
    print(f"{row.plan.name}, minus {CARDS[row.plan.model].name}: {row.beyond[row.plan.model]}")
if not other_rows:
    print("set readings = True above to see this")

# %% [markdown]
# ## What we checked

# %%
same = all([run.spec.seed for run in row.runs] == lesson.seeds for row in every_row if not row.spec.solved)
checked.assert_true("every row that is trained has the same seeds", same)
for name in printed.PAPERS_DATASETS:
    assert printed.table3(name, "mult-vae")["recall@20"] == printed.table2(name, "mult-vae", "mddm")["recall@20"]
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. All cosines in an InfoNCE over 8 candidates are equal. What is the loss, in nats?
# 2. Which model's score does not change if you replace every *user's* text by noise, before training too? Answer with
#    the name as in the table: `"RLMRec-C"`, `"KAR"`, `"AlphaRec"` or `"AlphaRec*"`.
# 3. By the numbers the papers print, which model gains most over its own base on amazon? Its name as in the table.

# %%
answer_1 = None
answer_2 = None
answer_3 = None

notebook.check("11.1", answer_1)
notebook.check("11.2", answer_2)
notebook.check("Exercise 11.3", answer_3, truth=str(in_print["amazon"].idxmax()), hint="Read the first column.")

# %% [markdown]
# ## What the paper says, and what these runs say
#
# *Holds* if DMRec-M is above each of the six with its whole 95 % intervals, over seeds and over users, *does not hold
# here* if it is below one of them with both, and otherwise it is not decided.

# %%
findings = claims.judge(runs, data, ["language-baselines"])
if texts:
    claims.save(findings, lesson.facts(runs, variant="published"), lesson.folder)
Markdown(claims.markdown(findings))

# %% [markdown]
# ## Keep the figure and its numbers

# %%
facts = {
    "variant": "published",
    "tuned": list(paper.tuning_grid(tune)),
    "precision": precision,
    "patience": patience,
}
numbers = {
    "rows": [tables.as_numbers(row) for row in rows],
    "readings": [tables.as_numbers(row) for row in other_rows],
    "over_own_base": gains.astype(object).where(gains.notna(), None).to_dict("records"),
    "printed_over_own_base": in_print.to_dict(),
}
path = lesson.keep("11_lm_baselines", figure, numbers, runs, **facts)
table = tables.write_table("table3", f"Table 3, on {data.name}", rows, lesson.facts(runs, **facts), path.parent)
print(path.name, table.name)
