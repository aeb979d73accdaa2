"""What to show whom: a list of new items for every user, by a model that is trained for it or was before."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dmrec_core.data import RecDataset, is_own
from dmrec_core.data.load import load_told
from dmrec_core.data.own_reading import reading_of
from dmrec_core.interactions import InteractionRows, user_batch
from dmrec_core.recommender import Recommender, top_items
from dmrec_core.records.files import check_writable, write_whole
from dmrec_core.records.markup import spreadsheet_text
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import CARDS
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import ctrl_c
from dmrec_core.runs.sweeps import sweep
from dmrec_core.training.evaluate import users_at_once

FILE = "recommendations.csv"


def recommendations(
    model: Recommender, dataset: RecDataset, n: int = 10, batch_size: int | None = None
) -> pd.DataFrame:
    """The n best items of every user among those the user does not have yet, in any split.

    Args:
        model: trained; its input is the training split.
        dataset: what it was trained on.
        n: items per user; fewer where fewer are left.
        batch_size: users scored at once; None: see `users_at_once`.

    Returns:
        Columns user, rank, item, title (where there are titles), score; users and items by your own ids.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    had = dataset.train + dataset.valid + dataset.test
    parts = []
    model.eval()
    with torch.inference_mode():
        batch_size = users_at_once(dataset.n_items) if batch_size is None else batch_size
        for start in range(0, dataset.n_users, batch_size):
            users = np.arange(start, min(start + batch_size, dataset.n_users))
            scores = model.score(user_batch(dataset.train, users, device))
            known = InteractionRows.from_csr(had, users, device)
            scores[known.row_index, known.items] = -torch.inf
            items = top_items(scores, n)
            best = scores.gather(1, items).cpu().numpy()
            rows, ranks = np.nonzero(np.isfinite(best))
            parts.append((users[rows], ranks + 1, items.cpu().numpy()[rows, ranks], best[rows, ranks]))
    users, ranks, items, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    user_ids, item_ids = dataset.user_ids or range(dataset.n_users), dataset.item_ids or range(dataset.n_items)
    table = {"user": [user_ids[u] for u in users], "rank": ranks, "item": [item_ids[i] for i in items]}
    if dataset.titles is not None:
        table["title"] = [dataset.titles[i] for i in items]
    return pd.DataFrame({**table, "score": scores})


def for_spreadsheets(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The table with every text cell that a spreadsheet would run as a formula made a text, and how many there were."""
    texts = table.select_dtypes(exclude="number")
    safe = texts.map(lambda cell: spreadsheet_text(cell) if isinstance(cell, str) else cell)
    return table.assign(**safe), int((safe != texts).to_numpy().sum())


def recommend(options: argparse.Namespace) -> int:
    """Train, rank and write what the options of the command `recommend` ask for; its exit status."""
    chosen = {"embedder": options.embedder, "profiles": options.texts, "seed": options.seed}
    lam = {} if options.lam is None else {"lam": options.lam}
    alone = not CARDS[options.backbone].is_backbone  # DMRec goes around backbones only
    strategy, lam = ("base", {}) if alone else (options.strategy, lam)
    spec = paper_settings(options.dataset, options.backbone, strategy, **chosen, **lam)
    base = spec if alone else paper_settings(options.dataset, options.backbone, seed=options.seed)
    told = reading_of(options)
    if told.words():
        load_told(options.dataset, told)
    data = load(spec)
    own = is_own(options.dataset)
    out = options.out or (Path(options.dataset, FILE) if own else Path(f"{options.dataset}-{FILE}"))
    if not out.parent.is_dir():  # before anything is trained
        raise ValueError(f"there is no folder {out.parent} to write {out.name} into; make it, or name one with --out")
    check_writable(out)
    where = {"device": options.device, "workers": options.workers, "runs": options.runs}
    with ctrl_c() as cancel:
        results = sweep(list(dict.fromkeys([base, spec])), cancel=cancel, **where)
    table, formulas = for_spreadsheets(recommendations(results[-1].model(data), data, options.n))
    write_whole(out, table.to_csv(index=False, float_format="%.4f").encode())
    made, drawn = results[-1].record["embedder"], "solved, no seed" if spec.solved else f"seed {options.seed}"
    print(f"{data.name}: {data.n_users:,} users, {data.n_items:,} items; vectors: {made}; {drawn}")
    for result in results:
        scored = ", ".join(f"{name} {result.metrics['test'][name]:.4f}" for name in ("recall@20", "ndcg@20"))
        print(f"  {result.spec.label}: test {scored}")
    if formulas:
        print(f"{formulas:,} cells begin with ' now: a spreadsheet would have run what they hold as formulas")
    if not spec.solved:
        print("one seed, so a small difference says little")
    print(f"written: {out} ({len(table):,} rows)")
    return 0
