"""A strategy and a backbone out of a notebook's cell: they train, sweep and are drawn; edited code is told apart."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from dmrec_core import Backbone, DiagonalGaussian, DMRec, MetaNetwork, MultVAE
from dmrec_core.analysis import sparsity_groups
from dmrec_core.analysis.line import LambdaLine
from dmrec_core.analysis.summaries import activities, for_json, group_metrics, learning_curves, over_seeds
from dmrec_core.figures.kept import trained
from dmrec_core.gaussian import kl_to_standard_normal
from dmrec_core.interactions import InteractionLinear
from dmrec_core.matching import ABLATIONS, STRATEGIES, MatchingTerms, Strategy, strategy_of
from dmrec_core.panels import Trainer, lambda_panel
from dmrec_core.records import provenance, record
from dmrec_core.records.writer import plain_numbers
from dmrec_core.runs import grid, load, paper_settings, run, sweep
from dmrec_core.runs.identity import code_digest
from dmrec_core.runs.models import ModelCard
from dmrec_core.training.fit import TrainSettings

QUICK = {"train": TrainSettings(epochs=4, batch_size=256, learning_rate=3e-3), "embedder": "tfidf"}


def squared_distance(q, p, fused, lam, variant="published"):
    return MatchingTerms(kl_to_standard_normal(fused), lam * (fused.mean - p.mean).square().sum(1))


FOURTH = Strategy(squared_distance, "DMRec-S", "squared distance of means")


class Narrow(Backbone):
    def __init__(self, n_items: int, latent: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder, self.decoder = InteractionLinear(n_items, 2 * latent), nn.Linear(latent, n_items)

    def posterior(self, batch):
        return DiagonalGaussian.from_heads(self.encoder(batch.inputs))

    def decode(self, z):
        return self.decoder(z)


NARROW = ModelCard("narrow", lambda parts: Narrow(parts.train.shape[1], parts.latent), idle=("hidden",))


def spec(strategy="base", model="mult-vae", **changes):
    return paper_settings("toy", model, strategy, **QUICK | changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def data():
    return load(spec(FOURTH))


@pytest.fixture(scope="module")
def results(runs, data):
    specs = [*grid(spec(), seed=[1, 2]), *grid(spec(FOURTH), lam=[0.0, 0.5], seed=[1, 2])]
    return sweep(specs, data, runs=runs, device="cpu", progress=lambda *_: None)


def test_a_fourth_strategy_trains_and_is_swept(results, runs, data):
    ours = [result for result in results if result.spec.strategy is FOURTH]
    assert len(ours) == 4 and {result.folder.parent for result in ours} == {runs}
    assert ours[0].spec.label == "mult-vae squared_distance λ=0 seed 1"
    assert isinstance(ours[0].model(data), DMRec) and ours[0].model(data).strategy is FOURTH
    columns = ours[2].history.columns
    assert "matching" in columns and ours[2].history["matching"].iloc[0] > 0 == ours[0].history["matching"].iloc[0]


def test_it_is_the_strategy_of_dmrec_itself(data):
    meta = MetaNetwork(torch.ones(3, 5), torch.ones(4, 5), latent=2, hidden=8)
    assert DMRec(MultVAE(4, hidden=8, latent=2), meta, FOURTH, lam=3.0).strategy is FOURTH
    with pytest.raises(ValueError, match="DMRec-M"):
        DMRec(MultVAE(4, hidden=8, latent=2), meta, "mddm", lam=3.0)


def test_its_curves_appear_in_the_figures(results, data, tmp_path):
    summary = over_seeds(results)
    drawn = trained.lambda_sensitivity(summary)
    assert isinstance(drawn, Figure) and "DMRec-S" in [
        text.get_text() for text in drawn.axes[0].get_legend().get_texts()
    ]
    curves = LambdaLine(results).curves("recall@20")
    assert [curve.strategy for curve in curves] == [FOURTH] and list(curves[0].lam) == [0.0, 0.5]
    groups = group_metrics(results, sparsity_groups(data))
    assert trained.training_curves(learning_curves(results)) and len(groups)
    assert trained.dimension_activity(activities(results[:1] + results[2:3], data))
    path = record("own", drawn, {"summary": for_json(summary)}, provenance(data, results), tmp_path)
    assert '"squared_distance"' in path.read_text()
    assert plain_numbers(provenance(data, results))["config_hash"] == provenance(data, results)["config_hash"]


def test_it_moves_under_the_slider(results, runs, data):
    trainer, start = Trainer(seed=1, device="cpu", runs=runs), {"strategy": FOURTH, "lam": 0.5}
    panel = lambda_panel("toy", [FOURTH], grid_results=results, dataset=data, trainer=trainer, start=start)
    assert isinstance(panel.figure, go.Figure)
    names = [trace.name for trace in panel.figure.data]
    assert "DMRec-S, mean of 2 seeds" in names


def test_a_backbone_of_ones_own_runs_alone_and_under_dmrec(runs, data):
    specs = [spec(model=NARROW), spec("mddm", NARROW), spec(FOURTH, NARROW)]
    base, matched, both = sweep(specs, data, runs=runs, device="cpu", progress=lambda *_: None)
    assert base.spec.label == "narrow base seed 2024" and isinstance(base.model(data).backbone, Narrow)
    assert len({result.folder for result in (base, matched, both)}) == 3
    assert run(specs[0], data, runs=runs).metrics == base.metrics  # read back
    assert over_seeds([base, matched])["model"].tolist() == [NARROW] * 4


def test_other_code_is_another_run_and_the_same_code_the_same(data):
    def again(q, p, fused, lam, variant="published"):
        return MatchingTerms(kl_to_standard_normal(fused), lam * (fused.mean - p.mean).square().sum(1))

    def other(q, p, fused, lam, variant="published"):
        return MatchingTerms(kl_to_standard_normal(fused), lam * (fused.mean - p.mean).abs().sum(1))

    keys = {f: spec(replace(FOURTH, terms=f)).key("data") for f in (squared_distance, again, other)}
    again.__name__ = other.__name__ = "squared_distance"
    same = {f: spec(replace(FOURTH, terms=f)).key("data") for f in (squared_distance, again, other)}
    assert len(set(keys.values())) == 3 and same[again] == same[squared_distance] != same[other]
    with pytest.raises(ValueError, match="function or a class"):
        code_digest(3)


def test_the_kits_own_objects_and_names_are_one():
    for name, strategy in (STRATEGIES | ABLATIONS).items():
        assert spec(strategy) == spec(name) and strategy_of(name) is strategy and str(strategy) == name
    named_alike = Strategy(STRATEGIES["mddm"].terms, "mine", "mine too")
    assert spec(named_alike).is_own and not spec("mddm").is_own
    assert spec(named_alike).key("data") != spec("mddm", lam=0.5).key("data")


def test_the_panel_moves_lambda_on_a_backbone_of_ones_own(runs, data):
    results = sweep(
        [*grid(spec("mddm", NARROW), lam=[0.0, 1.0])], data, runs=runs, device="cpu", progress=lambda *_: None
    )
    panel = lambda_panel("toy", ["mddm"], grid_results=results, dataset=data, trainer=Trainer(device="cpu", runs=runs),
                         start={"lam": 0.5})  # fmt: skip
    measured = [trace for trace in panel.figure.data if trace.name == "you are here: measured"]
    assert measured and set(measured[0].x) == {0.5}
