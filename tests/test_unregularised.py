"""What holds the language side as lambda goes to 0: the numbers, figures and the kept finding of notebooks 00b, 09."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.patches import FancyArrowPatch

from dmrec_core import DMRec, MetaNetwork, MultVAE, kl_to_standard_normal, user_batch
from dmrec_core.analysis import LambdaLine, from_prior
from dmrec_core.data.toy import toy_dataset
from dmrec_core.figures.kept import gradient_steps, unregularised
from dmrec_core.matching import VARIANTS, fuse, mddm
from dmrec_core.paper import claims
from dmrec_core.theory.one_dimension import gaussian

DATA = toy_dataset(n_users=40, n_items=30)


def test_the_published_term_is_zero_at_the_prior_and_the_papers_is_not():
    q, p = gaussian(np.zeros(9), 1.0), gaussian(np.linspace(-4, 4, 9), 0.3)
    terms = {name: mddm(q, p, fuse(q, p, name), 0.0, name).total for name in VARIANTS}
    assert terms["published"].abs().max() < 1e-12 < 1 < terms["paper"].min()


def test_distances_from_the_prior_are_means_over_all_users():
    torch.manual_seed(1)
    meta = MetaNetwork(torch.randn(40, 5), torch.randn(30, 5), latent=2, hidden=4)
    model = DMRec(MultVAE(30, hidden=4, latent=2), meta, "mddm", 0.5)
    spec = SimpleNamespace(strategy="mddm", lam=0.5, seed=7)
    table = from_prior([SimpleNamespace(spec=spec, model=lambda data: model)], DATA)
    with torch.no_grad():
        spaces = model.spaces(user_batch(DATA.train, np.arange(40)))
    (row,) = table.to_dict("records")
    assert (row["strategy"], row["lam"], row["seed"]) == ("mddm", 0.5, 7)
    for name, side in spaces._asdict().items():
        assert row[name] == pytest.approx(kl_to_standard_normal(side).mean().item(), rel=1e-5)


def test_the_figure_draws_the_numbers():
    curves = pd.DataFrame(
        {"mean": [0.0, 1.0], "published": [0.0, 0.0], "paper": [1.0, 2.0], 1.0: [3.0, 4.0], 0.0: [0, 0]}
    )
    measured = pd.DataFrame({"lam": [0.0, 0.0, 1.0], "collaborative": [1.0, 3.0, 5.0], "language": [8.0, 8.0, 6.0]})
    algebra, held, found = unregularised(curves, measured).axes
    assert [list(line.get_ydata()) for line in algebra.lines] == [[1.0, 2.0], [0.0, 0.0]]
    assert [line.get_label() for line in held.lines] == ["λ = 1", "λ = 0"]
    assert {line.get_label(): list(line.get_ydata()) for line in found.lines} == {
        "collaborative q": [2.0, 5.0],
        "language p": [8.0, 6.0],
    }


def test_a_step_is_an_arrow_only_where_something_moves():
    still = {f"{kind}_{k}{when}": 0.5 for kind in ("mean", "std") for k in (1, 2) for when in ("", "_after")}
    rows = [
        {"variant": variant, "pull": "matching", "space": space} | still | ({"mean_1_after": 0.9} if moves else {})
        for variant, movers in (("published", ("collaborative",)), ("paper", ("collaborative", "language")))
        for space in ("collaborative", "language", "fused")
        for moves in [space in movers]
    ]
    axes = gradient_steps(pd.DataFrame(rows)).axes
    assert [sum(isinstance(patch, FancyArrowPatch) for patch in axis.patches) for axis in axes] == [1, 2]
    assert [axis.get_title() for axis in axes] == ["(a) published: matching", "(b) paper: matching"]


def test_a_kept_finding_says_what_it_came_from(tmp_path, monkeypatch):
    finding = {"key": "mddm-collapse", "claim": "c", "where": "w", "ours": "+0.05 ± 0.01", "verdict": "holds",
               "seeds": [1, 2], "dataset": "yelp-xrec", "vectors": "v", "precision": "float32"}  # fmt: skip
    monkeypatch.setattr(claims, "in_checkout", lambda folder: tmp_path / folder)
    assert claims.kept("mddm-collapse", "yelp-xrec") == "yelp-xrec: nothing is kept of it"
    (tmp_path / "figures/yelp-xrec").mkdir(parents=True)
    (tmp_path / "figures/yelp-xrec/claims.json").write_text(json.dumps({"provenance": {}, "claims": [finding]}))
    assert claims.kept("mddm-collapse", "yelp-xrec") == "yelp-xrec, v, seeds 1-2: +0.05 ± 0.01"
    assert claims.kept("other", "yelp-xrec") == "yelp-xrec: nothing is kept of it"


def test_whom_a_panel_shows_first_has_a_test_item_in_reach(monkeypatch):
    line = LambdaLine([], DATA, people=[3, 5, 8])
    assert line.first_person == 5  # no run yet
    line = LambdaLine([], DATA, people=[3, 5, 8])
    points = [("mddm", 1.0), ("mddm", 0.0), ("mddm", 0.5), ("godm", 0.6), ("godm", 0.7)]
    line.runs = [SimpleNamespace(spec=SimpleNamespace(strategy=s, lam=lam), has_weights=True) for s, lam in points]
    looked_at = []

    def snapshot(result):
        looked_at.append(result.spec.lam)
        return SimpleNamespace(hits=np.array([[False], [False], [True]]), row=[3, 5, 8].index)

    monkeypatch.setattr(line, "snapshot", snapshot)
    assert line.first_person == 8 and looked_at == [0.5]
