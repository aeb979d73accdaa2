"""What to show whom: `python -m dmrec_core recommend my-data` trains DMRec on your data, and writes a list per user.

The base model is trained beside it, so that you see whether the texts helped. Runs are kept: the same command again
reads them back, and an interrupted one goes on where it was. The settings are the paper's for data it does not have;
lambda is not tuned (`python -m dmrec_core.paper --dataset my-data --tune` does that). An id or title that a spreadsheet
would run as a formula is written with `'` before it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dmrec_core.data import DATASETS, RecDataset
from dmrec_core.interactions import InteractionRows, user_batch
from dmrec_core.matching import ABLATIONS, DEFAULT_STRATEGY, STRATEGIES
from dmrec_core.recommender import Recommender, top_items
from dmrec_core.records.markup import spreadsheet_text
from dmrec_core.runs.models import BACKBONES
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.progress import ctrl_c
from dmrec_core.runs.spec import PROFILES
from dmrec_core.runs.store import load
from dmrec_core.runs.sweeps import RunFailed, sweep
from dmrec_core.training.fit import TrainingCancelled

FILE = "recommendations.csv"


def recommendations(model: Recommender, dataset: RecDataset, n: int = 10, batch_size: int = 1024) -> pd.DataFrame:
    """The n best items of every user among those the user does not have yet, in any split.

    Args:
        model: trained; its input is the training split.
        dataset: what it was trained on.
        n: items per user; fewer where fewer are left.
        batch_size: users scored at once.

    Returns:
        Columns user, rank, item, title (where there are titles), score; users and items by your own ids.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    had = dataset.train + dataset.valid + dataset.test
    parts = []
    model.eval()
    with torch.inference_mode():
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


def main(arguments: list[str] | None = None) -> int:
    """Train, rank, write; exit status 0, 1 an error, 2 usage, 130 if interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        chosen = {"embedder": options.embedder, "profiles": options.profiles, "seed": options.seed}
        lam = {} if options.lam is None else {"lam": options.lam}
        spec = paper_settings(options.dataset, options.model, options.strategy, **chosen, **lam)
        base = paper_settings(options.dataset, options.model, seed=options.seed)
        data = load(spec)
        with ctrl_c() as cancel:
            results = sweep([base, spec], device=options.device, cancel=cancel)
    except (KeyboardInterrupt, TrainingCancelled):
        print("\ninterrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except (ValueError, RunFailed) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    made = results[1].record["embedder"]
    print(f"{data.name}: {data.n_users:,} users, {data.n_items:,} items; vectors: {made}; seed {options.seed}")
    for result in results:
        scored = ", ".join(f"{name} {result.metrics['test'][name]:.4f}" for name in ("recall@20", "ndcg@20"))
        print(f"  {result.spec.label}: test {scored}")
    table = recommendations(results[1].model(data), data, options.n)
    known = options.dataset in DATASETS
    out = options.out or (Path(f"{options.dataset}-recommendations.csv") if known else Path(options.dataset, FILE))
    table, formulas = for_spreadsheets(table)
    if formulas:
        print(f"{formulas:,} cells begin with ' now: a spreadsheet would have run what they hold as formulas")
    table.to_csv(out, index=False, float_format="%.4f")
    print(f"one seed, so a small difference says little\nwritten: {out} ({len(table):,} rows)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dmrec_core.runs.recommend",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("dataset", help="a folder with your own data, or a data set's name")
    add("-n", type=_count, default=10, help="items per user (default: %(default)s)")
    add("--strategy", choices=[*STRATEGIES, *ABLATIONS], default=DEFAULT_STRATEGY,
        help="how the two spaces are matched (default: %(default)s)")  # fmt: skip
    add("--lam", type=float, help="lambda (default: the paper's, or 0.5 where it has none)")
    add("--model", choices=list(BACKBONES), default="mult-vae", help="the base model (default: %(default)s)")
    add("--profiles", choices=PROFILES, default="given", help="which texts (default: %(default)s)")
    add("--embedder", default="auto", help="auto, minilm or tfidf; auto takes your vectors.npz if there is one")
    add("--seed", type=int, default=2024, help="(default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add("--out", type=Path, help=f"the file to write (default: {FILE} in your folder)")
    return parser


def _count(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value


if __name__ == "__main__":
    sys.exit(main())
