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
# # 01 · Data and profiles: what the models are told
#
# *Appendix, about 35 minutes: for whoever asks where data and text vectors come from.*
#
# *As a page: `make site`, then open `build/site/notebooks/01_data_and_profiles.html`.*
#
# DMRec sees two things: who clicked what, and what was written about users and items. This notebook looks at both
# before any model does. It says where the data come from, how a language model is asked for a profile, how the profile
# becomes a vector, and what such a vector knows on its own. What is known of each data set's making, and what is not,
# stands on the site's page *How these data were made* (`site/data.md`).
#
# **You will be able to** read a data card, write and change the prompt for a profile, compute a text vector by hand,
# and judge a set of text vectors with two numbers before training anything.
#
# **Symbols used here**
#
# - $u$, $i$: a user, an item. $M(u)$: the items user $u$ interacted with in training.
# - $\mathcal P(u), \mathcal P(i)$: the prompts, i.e. what a language model is told about a user or an item.
# - $s_u, s_i$: the **profiles** it writes back, texts.
# - $w_u, w_i$: the **text vectors** of these profiles.

# %% tags=["parameters"]
dataset = "toy"  # or "yelp-xrec", "amazon", ..., or the folder of your own data
embedder = "auto"  # what turns texts into vectors
device = "auto"
seed = 2024
item = 0  # the item we look at
user = 0  # the user we look at
figures_dir = "build/figures"  # those of other data than toy in a folder of their own there

# %%
import dataclasses
import functools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dmrec_core import analysis, evaluate, language, notebook, panels, training
from dmrec_core.data import data_card, source_table, toy_dataset
from dmrec_core.figures import live

lesson = notebook.begin(dataset, embedder, device, seed, figures_dir, user=user, item=item)
data, checked = lesson.data, lesson.checked

# %% [markdown]
# ## The data card
#
# Read the line "cannot be checked" before you believe a number.

# %%
notebook.table((notebook.bold(heading), text) for heading, text in data_card(data).items())

# %% [markdown]
# What the loader recorded: counts before and after each filter where there was one, and the sha256 of every file it
# read. A file that does not match is refused, and the message names it.

# %%
notebook.table(source_table(data), ("recorded", "value"))

# %% [markdown]
# Three promises that every data set here keeps, checked again:

# %%
overlap = sum(
    int(getattr(data, a).multiply(getattr(data, b)).nnz)
    for a, b in (("train", "valid"), ("train", "test"), ("valid", "test"))
)
histories = np.diff(data.train.indptr)
popularity = np.asarray(data.train.sum(axis=0)).ravel()
checked.assert_true("no interaction is in two splits", overlap == 0, f"{overlap} shared")
checked.assert_true("every user has a training item", histories.min() >= 1, f"fewest {histories.min()}")
checked.assert_true("splits hold only ones", set(np.unique(data.train.data)) == {1.0})
shares = {
    k: np.diff(getattr(data, k).indptr).sum() / data.summary()["interactions"] for k in ("train", "valid", "test")
}
quiet = np.sort(histories)[: data.n_users // 2].sum() / histories.sum()
head = np.sort(popularity)[::-1][: int(np.ceil(data.n_items / 10))].sum() / popularity.sum()
print("shares:", {k: round(float(v), 3) for k, v in shares.items()})
print(f"the quieter half of the users holds {quiet:.0%} of the training interactions")
print(f"a tenth of the items holds {head:.0%} of them")

# %% [markdown]
# ## Eq. 4: profiles
#
# A language model $f_{LM}$ is asked twice: once for every item, then once for every user, whose prompt quotes the
# items' profiles.
#
# $$s_u=f_{LM}(\mathcal P(u)),\qquad s_i=f_{LM}(\mathcal P(i)) \tag{4}$$
#
# - $\mathcal P(i)$: the item's title and description (or sampled training reviews where there is none).
# - $\mathcal P(u)$: up to six of the user's **training** items, drawn at random, each with its title and profile.
#
# A prompt has two parts: a *system* message that sets the task, and a *user* message that carries the data as JSON. The
# data part of one user, by hand:

# %%
template = language.TEMPLATES["items"]
titles = data.titles or [""] * data.n_items
about = data.profiles.item if data.profiles is not None else [""] * data.n_items
sample = language.sampled_training_items(data, template.history_items, seed)[user]  # item ids, at most six
told = [{"title": titles[i] or "None", "description": about[i] or "None", "review": "None"} for i in sample]
by_hand = {"chosen items": told}
print(f"user {user} has {histories[user]} training items, {len(sample)} of them are told")
print(json.dumps(by_hand, indent=1, ensure_ascii=False)[:700])

# %%
has_texts = any(titles) or any(about)
if has_texts:
    prompt = language.user_prompts(data, template, seed=seed)[user]
    checked.assert_true("P(u) by hand equals the core's", json.loads(prompt.user) == by_hand)
    later = set(data.valid.indices[data.valid.indptr[user] : data.valid.indptr[user + 1]]) | set(
        data.test.indices[data.test.indptr[user] : data.test.indptr[user + 1]]
    )
    checked.assert_true("nothing of validation or test is told", not later & set(sample.tolist()))
    print("\n--- system message ---\n" + prompt.system)
else:
    print("this data set came with vectors and without texts, so there is nothing to ask a language model about")
notebook.show_source(language.write_profiles)

# %% [markdown]
# **Change the prompt.** A template is a value: which fields are told, how many items, how many words, and both system
# messages. `dataclasses.replace` makes your own, `template.to_json()` writes it to a file to edit, and
# `language.load_template` reads it back. Here: shorter profiles, written about fewer items.

# %%
mine = dataclasses.replace(template, item_words=40, user_words=25, history_items=3)
if has_texts:
    question = language.item_prompts(data, mine, seed=seed)[item]
    print("--- system, for item", item, "---\n" + question.system + "\n\n--- user ---\n" + question.user[:600])

# %% [markdown]
# **What would it cost?** The kit asks any model behind an OpenAI-compatible endpoint: a provider's, or one on your own
# machine. The estimate asks nothing and needs no network. Prices below are *examples* in dollars per million tokens,
# not anybody's; put in your own. Equal prompts are asked once. Answers are kept on disk, so an interrupted run goes on
# where it was and no prompt is paid twice.

# %%
price = language.Price(prompt=0.5, answer=1.5)
rows, basis = [], "no texts, no prompts"
if has_texts:
    model = language.LanguageModel(language.Endpoint("http://localhost:11434/v1"), "any-model", price=price)
    for name, chosen in (("as in the paper's data: 200 and 100 words", template), ("the shorter one above", mine)):
        sides = [model.estimate(ask(data, chosen, seed=seed)) for ask in (language.item_prompts, language.user_prompts)]
        questions, told, said = (
            [getattr(side, part) for side in sides] for part in ("to_ask", "prompt_tokens", "answer_tokens")
        )
        costs, seconds = [side.cost for side in sides], [side.seconds for side in sides]
        for k, side in enumerate(("items", "users")):
            tokens = f"{told[k]:,} + {said[k]:,}"
            rows.append((name, side, f"{questions[k]:,}", tokens, f"${costs[k]:.2f}", language.duration(seconds[k])))
        both, tokens, cost = map(notebook.bold, ("both", f"{sum(told):,} + {sum(said):,}", f"${sum(costs):.2f}"))
        rows.append((name, both, f"{sum(questions):,}", tokens, cost, language.duration(sum(seconds))))
    basis = f"{model.endpoint.concurrency} requests at once, {sides[0].basis}"
print(basis)
notebook.table(rows, ("template", "profiles of", "questions", "tokens in + out", "example cost", "time"))

# %% [markdown]
# What the other two stages take, measured here and now, for 1,000 texts:

# %%
if has_texts:
    few = [text for text in language.item_texts(data) if text.strip()][:200]
    questions = language.item_prompts(data, template)[: len(few)]
    began = time.perf_counter()
    language.ExtractiveProfiler().answer(questions)
    print(f"the stand-in below: {1000 / len(few) * (time.perf_counter() - began):.2f} s")
    chosen = language.choose_embedder(embedder, data.name)
    if hasattr(chosen, "fit"):
        chosen.fit(few)
    chosen.embed(few[:2])  # a model is loaded once
    began = time.perf_counter()
    chosen.embed(few)
    print(f"{chosen.name}: {1000 / len(few) * (time.perf_counter() - began):.2f} s")

# %% [markdown]
# **Without a language model** the same prompts can be answered by a stand-in, which picks words and sentences from the
# data. It is not a language model, and says so wherever it is used. Profiles that came with the data are kept; user
# texts are then the titles and texts of the sampled training items. These are what this notebook's vectors are made of:

# %%
if has_texts:
    small = language.ExtractiveProfiler().answer(
        language.user_prompts(data, template, seed=seed)[: min(50, data.n_users)]
    )
    kept = language.user_texts(data)[user]
    print(f"item {item}, {titles[item]!r}: {about[item][:200]}")
    print(f"\nuser {user}, what is embedded: {kept[:300]}{'…' if len(kept) > 300 else ''}")
    print(f"\nuser {user}, by the stand-in:  {small[user].summary[:300] if user < len(small) else '(not asked)'}")

# %% [markdown]
# ## Eq. 5: from text to vector
#
# - $f_{text}$: an **embedder**, a fixed function from a text to $d_s$ numbers. The paper's data use OpenAI's
#   `text-embedding-ada-002` ($d_s = 1536$). The kit's default on `toy` needs no model: *TF-IDF*, which counts a text's
#   words and weighs each by how rare it is, reduced by a singular value decomposition. Every figure says which embedder
#   made its vectors.
#
# $$w_u=f_{text}(s_u),\qquad w_i=f_{text}(s_i),\qquad w\in\mathbb R^{1\times d_s} \tag{5}$$
#
# By hand, for four tiny texts. A word counts more if it is in few texts (its *inverse document frequency*); rows get
# length 1; the first singular directions are kept; rows get length 1 again. (`u`, `s` and `v` in the code are those of
# the decomposition, no user and no text.)

# %%
texts = ["red wine", "white wine", "strong coffee", "strong red coffee"]
words = sorted({word for text in texts for word in text.split()})
count = torch.tensor([[text.split().count(word) for word in words] for text in texts], dtype=torch.float64)  # (4, 5)
idf = torch.log((1 + len(texts)) / (1 + (count > 0).sum(0))) + 1  # rare words weigh more
tfidf = count * idf  # every word occurs at most once, so its frequency is 1 or 0
tfidf = tfidf / tfidf.norm(dim=1, keepdim=True)
u, s, v = torch.linalg.svd(tfidf, full_matrices=False)
by_hand = u[:, :2] * s[:2]  # (4, 2): d_s = 2
by_hand = by_hand / by_hand.norm(dim=1, keepdim=True)
print("counts", tuple(count.shape), words, "-> vectors", tuple(by_hand.shape))
print("cosines\n", (by_hand @ by_hand.T).round(decimals=2))

# %%
core = torch.from_numpy(language.TfidfSvd(dim=2).fit(texts).embed(texts)).double()
# a singular direction may come with either sign; cosines do not mind
checked.assert_close("Eq. 5 by hand: the same cosines", by_hand @ by_hand.T, core @ core.T, atol=1e-5)
notebook.show_source(language.semantic_vectors)

# %% [markdown]
# ### One item, all the way
#
# Fields, prompt, profile, vector, neighbours. The profile is the stand-in's, and the vectors are TF-IDF's, because both
# take a moment: a language model and a better embedder go the same way. The first line says who wrote the text that
# there is to tell: on `yelp-xrec` it is a model's profile already, since nothing rawer than titles is published.

# %%
steps = []
if has_texts:
    original = language.item_space(data, template, language.ExtractiveProfiler(), "tfidf")
    ids, cosines = original.nearest(item)
    names = [title or f"item {i}" for i, title in enumerate(titles)]
    raw = {"title": titles[item], "text": about[item]}
    first = ", ".join(f"{number:.3f}" for number in original.vectors[item, :6])
    near = "; ".join(f"{names[i]} ({cosine:.2f})" for i, cosine in zip(ids, cosines, strict=True))
    steps = [
        (
            f"fields, texts by {data.profiles.source if data.profiles else 'nobody'}",
            json.dumps(raw, ensure_ascii=False),
        ),
        ("prompt, system message", original.prompts[item].system[:160] + "…"),
        ("prompt, data", original.prompts[item].user),
        (f"profile, by {original.writer}", original.profiles[item]),
        (f"vector, by {original.embedder}", f"{original.vectors.shape[1]} numbers: {first}, …"),
        ("neighbours (cosine)", near),
    ]
    checked.assert_true("the profile was made from this prompt's data", titles[item] in original.profiles[item])
notebook.table(((notebook.bold(step), what) for step, what in steps), ("step", "what it is"))

# %% [markdown]
# ### Edit the prompt, before and after
#
# The text below is the template's message for items (`$thing` and `$words` are filled in). Write into it and click
# elsewhere, turn the number of words, or keep the description back. The figure shows who the item's neighbours were and
# are; the table below it shows prompt and profile, with what you changed marked.
#
# The profile is **the stand-in's, which is no language model**: it reads the data of the prompt and the limit on words,
# and none of the message's other words. To see what a language model makes of your words, give `language.item_space` a
# `language.LanguageModel(language.Endpoint(...), "its name")` as the writer.

# %%
asked = template.item_system.replace("which kinds of people would enjoy", "on which occasion people would choose")


@functools.cache
def edited(system, words, description):
    fields = {name: meaning for name, meaning in template.fields.items() if description or name != "description"}
    changes = {"item_system": system, "item_words": words, "fields": fields, "feedback_without": None}
    return language.item_space(data, dataclasses.replace(template, **changes), language.ExtractiveProfiler(), "tfidf")


def draw_edit(system, words, description, item):
    return live.draw_neighbours(names, item, original, edited(system, words, description))


def tell_edit(system, words, description, item):
    return live.tell_edit(item, original, edited(system, words, description))


if has_texts:
    panels.explore(
        draw_edit,
        tell=tell_edit,
        presets={
            "as it was": {"system": template.item_system, "words": template.item_words, "description": True},
            "another question": {"system": asked, "words": template.item_words, "description": True},
            "ten words": {"system": template.item_system, "words": 10, "description": True},
            "the title only": {"system": template.item_system, "words": template.item_words, "description": False},
        },
        predict=(
            "Two things are edited below: what is asked, and how many words the answer may have. Which of them moved "
            "the neighbours?",
            "The number of words. The stand-in does not read the question; press “another question” and nothing moves. "
            "A language model would read both.",
        ),
        labels={"system": "message", "words": "at most so many words", "description": "tell the description"},
        system=asked,
        words=(3, template.item_words, 1, 10),
        description=True,
        item=(0, data.n_items - 1, 1, item),
    )

# %% [markdown]
# ## What a vector knows
#
# ### Nearest items by text
#
# If the vectors are any good, an item's neighbours should make sense to you. Nobody's clicks are used here. The dotted
# line is the mean cosine of two random items: a cosine only means something *above* that line.

# %%
vectors = data.language
anisotropy = language.mean_cosine(vectors.item)


def draw_neighbours(item):
    ids, cosines = language.nearest(vectors.item, item, 10)
    names = [titles[i] or f"item {i}" for i in ids]
    return live.draw_nearest(titles[item] or f"item {item}", names, cosines, anisotropy)


panels.explore(draw_neighbours, item=(0, data.n_items - 1, 1, item))

# %% [markdown]
# ### Anisotropy: how narrow is the cone?
#
# Text vectors often point in much the same direction, whatever the text says: they lie in a narrow cone. The paper
# mentions this as a difficulty. It is one number: the **mean cosine over all pairs** of different items. 0 would be a
# cloud around the origin, 1 a single direction. What all vectors share tells no two items apart. Subtracting the mean
# item vector (*centring*) removes it.
#
# - $\hat w_i = w_i/\|w_i\|$, and $N$ items. All pairs at once, without visiting any:
#
# $$\overline{\cos} = \frac{\|\sum_i \hat w_i\|^2 - N}{N(N-1)}.$$

# %%
few = vectors.item[:50].astype(np.float64)
unit = few / np.linalg.norm(few, axis=1, keepdims=True)
cosines = unit @ unit.T
by_hand = cosines[~np.eye(len(few), dtype=bool)].mean()  # all 50 × 49 pairs
checked.assert_close("mean cosine, pair by pair", by_hand, language.mean_cosine(few))
flat = language.centred(vectors)
cones = {
    "items": (language.mean_cosine(vectors.item), language.mean_cosine(flat.item)),
    "users": (language.mean_cosine(vectors.user), language.mean_cosine(flat.user)),
}
pairs = {
    "as they are": language.pair_cosines(vectors.item, seed=seed),
    "centred": language.pair_cosines(flat.item, seed=seed),
}
sampled = pairs["as they are"]
checked.assert_within(
    "random pairs agree", sampled.mean(), anisotropy, sampled.std() / len(sampled) ** 0.5
)  # fmt: skip
pd.DataFrame(cones, index=["mean cosine", "after centring"]).T.round(3)

# %% [markdown]
# ### A sanity check: rank by text alone
#
# Score an item for a user by $w_u^\top w_i$, train nothing, and look at the test items. RLMRec (Table 3's recommender
# whose data the paper uses) reports a Recall@20 (the share of a user's held-out items among the 20 ranked first) of
# 0.0199, 0.0047 and 0.0120 for this on Amazon, Yelp and Steam. Chance is 0.002 to 0.004 there, and trained models reach
# 0.12 to 0.15. So on real data text vectors know *something*, and are no recommender. A file of vectors that gives
# exactly chance is probably in the wrong order.
#
# Three controls: a random order, the same popular items for everybody, and the same vectors given to the *wrong* users
# and items.

# %%
rankings = {
    "popularity": training.Popularity(data.train).solve(),
    "text alone": training.TextSimilarity(vectors),
    "text, centred": training.TextSimilarity(flat),
    "text, shuffled": training.TextSimilarity(language.shuffled(vectors, seed=seed)),
    "text, random": training.TextSimilarity(language.random_like(vectors, seed=seed)),
}
recall = {"chance": training.chance_recall(data)}
errors, scored = {"chance": 0.0}, {}
for name, ranking in rankings.items():
    per_user = scored[name] = evaluate(ranking, data, "test").per_user["recall@20"]
    recall[name] = float(per_user.mean())
    errors[name] = float(per_user.std() / len(per_user) ** 0.5)
for control in ("text, shuffled", "text, random"):
    off, error = recall[control] - recall["chance"], errors[control]
    said = f"{off / error:+.1f} standard errors" if error else "which every user has alike"
    print(f"{control}: {recall[control]:.4f} where chance gives {recall['chance']:.4f}, {said}")
pd.DataFrame({"Recall@20": recall, "± standard error": errors}).round(4)

# %% [markdown]
# Two rankings of the same users are compared user by user; the interval is one over users, since nothing is trained,
# and `p` is the p-value of a paired test:

# %%
for ours, theirs in (("text alone", "popularity"), ("text, centred", "text alone")):
    found = analysis.paired_test(scored[ours], scored[theirs])
    print(f"'{ours}' ranks better than '{theirs}': {analysis.verdict(found.difference).replace('seeds', 'users')} "
          f"({found.difference:+}, {found.test} over {len(scored[ours]):,} users, p = {found.p:.2g})")  # fmt: skip

# %% [markdown]
# On `toy`, titles and texts are written from the very themes that decide what users click. Real texts are never that
# faithful. If the data set has a mean cosine near 0, there is little for centring to change.
#
# ## The figure

# %%
figure = live.data_figure(histories, popularity, pairs, recall)
figure

# %% [markdown]
# ## Bring your own data
#
# Two files in a folder, with a header. Ids are texts or whole numbers. What MovieLens, Last.fm, a shop or a
# spreadsheet exports is read as it is: `help(load_own)` says what to type for each. Ratings need a threshold, said
# once, to the first command: with `python -m dmrec_core recommend my-data --min-rating 3` a 3 or more is a like. A
# `timestamp` can split (`--split time`).
#
# | file | columns |
# |---|---|
# | `interactions.csv` | `user,item`: one row for each item a user liked; and `split`, if you have a split of your own |
# | `items.csv` | `item`, and `text`, `title` or both: one row for each item; further columns for your template |
#
# Then a profile for everybody (Eq. 4), a vector for every profile (Eq. 5), and a run. For the first two steps, take
# what you have. **An endpoint**, its key in the environment, never on the command line:
#
# ```sh
# read -rs OPENAI_API_KEY && export OPENAI_API_KEY
# python -m dmrec_core profiles my-data --base-url https://api.openai.com/v1 --model gpt-4o-mini --dry-run
# python -m dmrec_core profiles my-data --base-url https://api.openai.com/v1 --model gpt-4o-mini
# python -m dmrec_core embed my-data --base-url https://api.openai.com/v1 --model text-embedding-3-small
# ```
#
# **A local model** behind Ollama, vLLM or llama.cpp, and a sentence embedder on your own machine (`embed` takes MiniLM;
# another one by name with `--embedder`):
#
# ```sh
# python -m dmrec_core profiles my-data --base-url http://localhost:11434/v1 --model llama3.2
# python -m dmrec_core embed my-data
# ```
#
# **Nothing but this package**. The profiles are picked words then; no language model is asked:
#
# ```sh
# python -m dmrec_core profiles my-data --extractive
# python -m dmrec_core embed my-data --embedder tfidf
# ```
#
# And the run. The first command trains the base model and DMRec and writes a list for every user; the second compares
# them fairly; the third runs every notebook on your data.
#
# ```sh
# python -m dmrec_core recommend my-data
# python -m dmrec_core tables my-data --tables 2 --models mult-vae --tune
# python -m dmrec_core figures my-data
# ```
#
# `--dry-run` shows three prompts and the cost, and asks nothing. Interrupt any step: the same command goes on. You may
# skip `profiles` (your texts are embedded as they are), or `embed` (texts are embedded when they are needed), or put a
# `vectors.npz` of your own beside the csv files (`help(load_own)`). Change your files, and what was made from them is
# refused, with the command that makes it again.
#
# All of it, with nothing but this package, on a small folder made up here:

# %%
desk = tempfile.TemporaryDirectory()
folder = Path(desk.name) / "my-data"
folder.mkdir()
small = toy_dataset(n_users=120, n_items=60)
users, items = (small.train + small.valid + small.test).nonzero()
liked = pd.DataFrame({"user": [f"user-{u}" for u in users], "item": [f"item-{i}" for i in items]})
texts = pd.DataFrame({"title": small.titles, "text": small.profiles.item})
texts.insert(0, "item", [f"item-{i}" for i in range(small.n_items)])
for name, content in {"interactions.csv": liked, "items.csv": texts}.items():
    content.to_csv(folder / name, index=False)
    print(f"my-data/{name}, {len(content)} rows:", *(folder / name).read_text().splitlines()[:3], "", sep="\n")

# this folder is gone in a moment; so are its runs
shell = functools.partial(notebook.shell, folder=desk.name, DMREC_RUNS=f"{desk.name}/runs")
shell("python -m dmrec_core profiles my-data --extractive")
shell("python -m dmrec_core embed my-data --embedder tfidf")
shell("python -m dmrec_core recommend my-data -n 5")

# %%
offered = pd.read_csv(folder / "recommendations.csv")
repeated = offered.merge(liked, on=["user", "item"])
checked.assert_true("own data: every user has a list", offered["user"].nunique() == small.n_users)
checked.assert_true("own data: nobody is offered what they have", repeated.empty, f"{len(offered)} offers")
desk.cleanup()
offered.head()

# %% [markdown]
# ## Paper vs code
#
# | | the paper | what can be found out |
# |---|---|---|
# | items per user prompt | no number | RLMRec's examples show 6; the kit's default |
# | what a user profile may quote | not stated | not in RLMRec either: **a possible leak**; here training only |
# | embedder | cited as Instructor in one place, ada-002 in another | vectors have 1536 numbers: ada-002 |
# | what is embedded | the profile | the summary alone, not the reasoning |
# | counts in the table of data sets | all interactions | RLMRec's table counts training only; both agree |
# | "ratings below 3 excluded" | everywhere | not on Steam, which has no ratings |
# | "k-core": all with fewer than k clicks dropped | claimed | amazon has users with one interaction in all |
#
# Vectors that are not ada-002 are never called the paper's in this kit.
#
# ## What we checked

# %%
checked.show()

# %% [markdown]
# ## Exercises
#
# 1. Four unit vectors: three equal, the fourth at a right angle to them. What is the mean cosine over pairs?
# 2. There are 1000 items; a user trained on 20 of them. What is the expected Recall@20 of a random order, for this
#    user? Four digits.
# 3. Write a template whose user profiles have at most 30 words and are made from at most 4 items. Put it into
#    `answer_3`.

# %%
answer_1 = None
answer_2 = None
answer_3 = None

notebook.check("01.1", answer_1)
notebook.check("01.2", answer_2)
notebook.check("01.3", answer_3)

# %% [markdown]
# ## Keep the figure and its numbers

# %%
numbers = {
    "summary": data.summary(),
    "recall@20": recall,
    "recall@20_standard_error": errors,
    "mean_cosine": {side: {"as_they_are": a, "centred": b} for side, (a, b) in cones.items()},
    "share_of_the_quieter_half": quiet,
    "share_of_the_top_tenth_of_items": head,
}
path = lesson.keep("01_data_and_profiles", figure, numbers)
print(path.name)
