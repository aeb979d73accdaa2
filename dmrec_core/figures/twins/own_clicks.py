"""The twin that takes the reader's own clicks: a small frozen DMRec, whose matrix products the page computes."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrec_core.analysis.dimensions import dimensions_of
from dmrec_core.analysis.line import LambdaLine
from dmrec_core.analysis.snapshots import typical_users
from dmrec_core.backbones import MultVAE
from dmrec_core.data import RecDataset
from dmrec_core.dmrec import DMRec
from dmrec_core.figures.live.users import profile_of, titles_of
from dmrec_core.figures.twins.pages import LONGEST_PROFILE, write_twin
from dmrec_core.matching import Strategy, strategy_of
from dmrec_core.recommender import Recommender
from dmrec_core.records.markup import html_text, visible_text
from dmrec_core.runs.store import RunResult

MOST_ITEMS = 300  # in the catalogue: the sums over clicks and the scores of these need no other item's weights
LENDERS = 4  # users whose text a reader may borrow
CROWD = 150  # users in the picture's background
LARGEST_WHOLE = 2**15 - 1  # of 16 bits


def write_own_clicks(
    path: str | Path, results: Sequence[RunResult], dataset: RecDataset, provenance: Mapping[str, Any]
) -> Path:
    """The twin that asks the reader to click: q, p, the fused posterior and ten items at every trained lambda.

    Args:
        path: e.g. `figures/13_explore.clicks.html`.
        results: DMRec on Mult-VAE, one strategy, variant and seed over two lambdas or more. All weights of the
            catalogue's items go into the page, so train them narrow: width 32 and d = 16 make about half a megabyte.
        dataset: their data; the catalogue is its `MOST_ITEMS` items with the most training clicks.
        provenance: as `record`'s.

    Raises:
        ValueError: one lambda only, another backbone, no Eq. 7, or a page of more than a megabyte.
    """
    line = LambdaLine(results, dataset, crowd_size=CROWD)
    runs = line.single()
    if len(runs) < 2:
        raise ValueError(f"runs at two lambdas or more are needed, to move between them; got lambda {list(runs)}")
    lams, spec = list(runs), next(iter(runs.values())).spec
    strategy = strategy_of(spec.strategy)
    clicks = np.bincount(dataset.train.indices, minlength=dataset.n_items)
    items = np.sort(np.argsort(-clicks, kind="stable")[:MOST_ITEMS])
    lenders = list(dict.fromkeys([line.first_person, *typical_users(dataset, LENDERS - 1).tolist()]))
    titles = titles_of(dataset)
    people = [
        {
            "id": user,
            "text": visible_text(profile_of(dataset, user)[:LONGEST_PROFILE]),
            "items": np.intersect1d(dataset.train[user].indices, items).tolist(),
        }
        for user in lenders
    ]
    unmatched = strategy.lam_without_matching if strategy.lam_without_matching in lams else lams[0]
    data = {
        "label": strategy.label,
        "variant": spec.variant,
        "lams": lams,
        "unmatched": unmatched,
        "noPrior": 0.0 if strategy.is_share and 0.0 in lams else None,
        "items": items.tolist(),
        "titles": [visible_text(titles[item]) for item in items],
        "order": np.argsort(-clicks[items], kind="stable").tolist(),
        "people": people,
        "runs": [_run(result, dataset, items, line.users, lenders) for result in runs.values()],
        "start": {"items": people[0]["items"], "lam": lams[len(lams) // 2], "against": unmatched},
    }
    return write_twin(
        path,
        "own_clicks",
        f"Your own clicks: {strategy.label} on {provenance.get('dataset') or 'no data'}",
        "Click what you like. Small models, one for each trained λ and frozen since, read your clicks in this page: q "
        "is what the clicks say of your taste, p what texts say of it, and the fused posterior, both together, is what "
        "items are scored with. Move λ and see which items rise.",
        data,
        provenance,
        _words(list(runs.values()), strategy, len(items), dataset.n_items),
        example=f"#items={'.'.join(map(str, people[0]['items'][:2]))}&lam={lams[0]:g}",
    )


def _weights(model: Recommender, items: np.ndarray, users: Sequence[int]) -> dict[str, Tensor]:
    r"""Everything that q, p and the scores of some items are made of, as matrices.

    The meta-network's first layer A is linear, so texts go through it before they are summed up instead of after:
    $A(W_{\mathcal I}^\top x_u + w_u) = \sum_i x_{ui} A w_i + A w_u$, which is Eq. 7 at its hidden layer.

    Args:
        model: DMRec on Mult-VAE.
        items: the catalogue, ascending ids, `(n,)`.
        users: whose own texts may be lent, k of them.

    Returns:
        `clicks`, `texts` `(n, hidden)`, `own` `(k, hidden)`, `toQ`, `toP` `(2d, hidden)`, `toHidden` `(hidden, d)`,
        `toScores` `(n, hidden)`, and a bias for each but `own`.

    Raises:
        ValueError: the model is another one, or has no Eq. 7.
    """
    if not (isinstance(model, DMRec) and isinstance(model.backbone, MultVAE) and model.meta_network.aggregate):
        raise ValueError("the page computes DMRec on Mult-VAE with Eq. 7, and no other model")
    core, meta = model.backbone, model.meta_network
    first, _, last = meta.layers
    layers = {"toQ": core.encoder_heads, "toP": last, "toHidden": core.decoder_hidden}
    with torch.inference_mode():
        found = {
            "clicks": core.encoder_input.weight[items],
            "clicksBias": core.encoder_input.bias,
            "texts": meta.item_vectors[items] @ first.weight.T,
            "textsBias": first.bias,
            "own": meta.user_vectors[list(users)] @ first.weight.T,
            "toScores": core.decoder_output.weight[items],
            "toScoresBias": core.decoder_output.bias[items],
        }
    for name, layer in layers.items():
        found |= {name: layer.weight, f"{name}Bias": layer.bias}
    return found


def _packed(values: Tensor) -> dict[str, Any]:
    """Rounded to whole numbers of 16 bits, low byte first, in base64; the largest error is half of `scale`."""
    exact = values.detach().double().numpy()
    scale = float(np.abs(exact).max()) / LARGEST_WHOLE or 1.0
    whole = np.rint(exact / scale).astype("<i2")
    return {"scale": scale, "data": base64.b64encode(whole.tobytes()).decode("ascii")}


def _run(
    result: RunResult, dataset: RecDataset, items: np.ndarray, crowd: np.ndarray, lenders: Sequence[int]
) -> dict[str, Any]:
    weights = _weights(result.model(dataset), items, lenders)
    seen, titles = dimensions_of(result, dataset), titles_of(dataset)
    total = float(seen.activity.sum()) or 1.0
    dimensions = []
    for rank in range(2):
        up, down = ([visible_text(titles[item]) for item in side] for side in seen.pushed(rank))
        share = round(float(seen.activity[rank]) / total, 4)
        dimensions.append({"number": int(seen.dimension[rank]), "share": share, "up": up, "down": down})
    return {
        "dimensions": dimensions,
        "crowd": seen.means[crowd, :2].round(2).tolist(),
        "weights": {name: _packed(values) for name, values in weights.items()},
    }


def _words(runs: Sequence[RunResult], strategy: Strategy, shown: int, n_items: int) -> str:
    """What every symbol means, and how good the small models are, as HTML that needs no JavaScript."""
    spec = runs[0].spec
    variances = "multiplied" if spec.variant == "published" else "added"
    if strategy.is_share:
        lam = (
            "the prior's share of the pull that training puts on the distributions; the rest pulls towards p. At λ = 1 "
            "q and p are fused but never matched, at λ = 0 nothing but language pulls."
        )
    else:
        lam = "how strongly training pulls q and p together; at λ = 0 they are fused but never matched."
    catalogue = f"all {n_items:,}" if shown == n_items else f"the {shown:,} most clicked of {n_items:,}"
    meanings = {
        strategy.label: "DMRec, the recommender that the notebooks explain, with the strategy "
        f"{str(strategy).upper()}. You are not among the users it learnt from. Equation numbers are the paper's.",
        "q": "the collaborative distribution: your taste as your clicks tell it. A taste is a point z in "
        f"{spec.latent} latent dimensions; q says where it may lie, by a mean μ and a spread σ in each (Eq. 3).",
        "p": "the language distribution: the same from texts. The vectors of the texts about all items you clicked "
        "are summed up, so p reads your clicks, too; the vector of the text about you is added (Eq. 7), and a network "
        "makes μ and σ of the sum (Eq. 6). Nobody has written about you: borrow a user's text, or take none.",
        "fused posterior": f"q and p put together: their means are added, their variances {variances}. Its mean goes "
        "into the decoder, which gives every item a score; only the order of scores means something.",
        "prior N(0, I)": "what is believed of somebody of whom nothing is known: μ = 0, σ = 1 in every dimension.",
        "λ": f"lambda, {lam} It is set before training: there is one model for each trained λ, and between two of "
        "them only an approximation.",
        "place": f"where an item stands among those you did not click, of {catalogue} items.",
    }
    listed = "".join(f"<dt>{html_text(word)}</dt><dd>{html_text(meaning)}</dd>" for word, meaning in meanings.items())
    measured = "".join(
        f"<tr><td>{run.spec.lam:g}</td><td>{run.metrics['test']['recall@20']:.4f}</td></tr>" for run in runs
    )
    return (
        f"<h2>What the words mean</h2><dl>{listed}</dl>"
        "<details><summary>How good these small models are</summary><p class='note'>Hidden layers are "
        f"{spec.hidden} wide and d = {spec.latent}, so that all weights, rounded to 16 bits, fit into this page. "
        "Recall@20 of the held-out test items, before rounding, one seed:</p><table><thead><tr><th scope='col'>λ</th>"
        f"<th scope='col'>Recall@20</th></tr></thead><tbody>{measured}</tbody></table></details>"
    )
