"""One model for every lambda: it begins as a run, is trained as one where lambda is fixed, and stops at many times."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dmrec_core import CVGA, DMRec, MetaNetwork, evaluate, fit, user_batch
from dmrec_core.__main__ import main
from dmrec_core.every_lambda import (
    Between,
    ConditionalDMRec,
    EveryLambda,
    at_knots,
    between,
    choose_stops,
    conditional_run,
    costs_of_one_stop,
    train_stops,
)
from dmrec_core.every_lambda.record import LAMS, page
from dmrec_core.runs.build import build_model
from dmrec_core.runs.inputs import load
from dmrec_core.runs.measurements import Measurements, save_measurements
from dmrec_core.runs.presets import paper_settings
from dmrec_core.runs.store import finished
from dmrec_core.training.checkpoint import Checkpoint, CheckpointError, save_tensors
from dmrec_core.training.fit import TrainingCancelled

SPEC = paper_settings("toy", strategy="mddm", lam=0.5, embedder="tfidf", hidden=16, latent=8)
SHORT = replace(SPEC.train, epochs=7)
DATA = load(SPEC)
SOME = user_batch(DATA.train, np.arange(40))


def conditional(strategy: str = "mddm", seed: int = 2024, **options) -> ConditionalDMRec:
    return ConditionalDMRec(build_model(SPEC.with_(strategy=strategy, seed=seed), DATA), seed, **options)


def same(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_begins_as_the_run_it_is_made_from_at_any_lambda():
    run = build_model(SPEC, DATA)
    for lam in (0.0, 0.3, 1.0):
        assert torch.equal(conditional().at(lam).score(SOME), run.score(SOME))


@pytest.mark.parametrize("strategy", ["godm", "cpdm", "mddm"])
def test_at_a_fixed_lambda_and_unmodulated_it_is_trained_to_the_bits_of_a_run(strategy):
    """Modulated it is not: scale and shift are weights of their own then, and Adam gives them steps of their own."""
    run, ours = build_model(SPEC.with_(strategy=strategy, lam=0.25), DATA), conditional(strategy)
    ours.film.requires_grad_(False)
    fit(run, DATA, SHORT, seed=7)
    fit(ours.at(0.25), DATA, SHORT, seed=7)
    assert same(run.backbone.state_dict(), ours.backbone.state_dict())
    assert same(run.meta_network.state_dict(), ours.meta_network.state_dict())


@pytest.mark.parametrize("per_user", [False, True])
def test_trained_it_depends_on_lambda_and_on_the_seed_alone(per_user):
    models = [conditional(per_user=per_user) for _ in range(3)]
    for model, seed in zip(models, (7, 7, 8), strict=True):
        fit(model, DATA, SHORT, seed=seed)
    assert same(models[0].state_dict(), models[1].state_dict())
    assert not same(models[0].state_dict(), models[2].state_dict())
    scores = [models[0].at(lam).score(SOME) for lam in (0.0, 0.5, 1.0)]
    assert scores[0].shape == (40, DATA.n_items)
    assert not torch.equal(scores[0], scores[1]) and not torch.equal(scores[1], scores[2])
    assert torch.equal(models[0].score(SOME), scores[1])  # the lambda of the run it is made from


def test_a_lambda_a_user_weighs_each_users_terms_by_their_own():
    model = conditional(per_user=True)
    model.backbone.input_dropout = 0.0  # then lambda is the first thing that is drawn
    lams = torch.rand(40, generator=torch.Generator().manual_seed(1))
    many = model.loss(replace(SOME, generator=torch.Generator().manual_seed(1)))
    whole = model.at(1.0).loss(replace(SOME, generator=torch.Generator().manual_seed(1)))  # modulated by nothing yet
    assert {name: term.shape for name, term in many.terms.items()} == dict.fromkeys(whole.terms, (40,))
    torch.testing.assert_close(many.terms["prior"], lams * whole.terms["prior"])


@pytest.mark.parametrize("lam", [-0.1, 1.5, float("nan")])
def test_a_lambda_that_it_is_not_trained_at_is_refused(lam):
    for strategy in ("mddm", "godm"):  # godm's own has no upper end
        with pytest.raises(ValueError, match="lambda"):
            conditional(strategy).at(lam)


def test_what_it_cannot_condition_is_refused():
    with pytest.raises(ValueError, match="no lambda"):
        ConditionalDMRec(build_model(SPEC.with_(strategy="add"), DATA))
    meta = MetaNetwork(torch.ones(DATA.n_users, 4), torch.ones(DATA.n_items, 4), latent=8, hidden=16)
    with pytest.raises(ValueError, match="CVGA"):
        ConditionalDMRec(DMRec(CVGA(DATA.train, 8, 0.0), meta, "mddm", 0.5))


@pytest.fixture(scope="module")
def whole():
    model = conditional()
    return model, train_stops(model, DATA, SHORT, seed=7)


def test_stops_are_kept_along_one_training(whole):
    _, stops = whole
    assert list(stops) == [3, 6] and not same(stops[3], stops[6])
    assert same(train_stops(conditional(), DATA, replace(SHORT, epochs=3), seed=7)[3], stops[3])


def test_cancelled_it_resumes_to_the_same_stops(tmp_path, whole):
    checkpoint, asked = Checkpoint(tmp_path / "training.safetensors", seconds=0, run="mine"), iter(range(10_000))
    with pytest.raises(TrainingCancelled):
        train_stops(conditional(), DATA, SHORT, seed=7, checkpoint=checkpoint, cancel=lambda: next(asked) > 22)
    assert sorted(path.name for path in tmp_path.glob("*.stop-*")) == ["training.stop-3.safetensors"]
    again = train_stops(conditional(), DATA, SHORT, seed=7, checkpoint=checkpoint)
    assert list(again) == [3, 6] and all(same(again[stop], whole[1][stop]) for stop in again)

    save_tensors(tmp_path / "training.stop-3.safetensors", again[3], {"run": "another"})
    with pytest.raises(CheckpointError, match=r"stop-3\.safetensors is of another run"):
        train_stops(conditional(), DATA, SHORT, seed=7, checkpoint=checkpoint)
    (tmp_path / "training.stop-3.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"stop-3\.safetensors is missing"):
        train_stops(conditional(), DATA, SHORT, seed=7, checkpoint=checkpoint)


def test_too_few_epochs_for_a_stop_are_refused():
    with pytest.raises(ValueError, match="after 3 epochs; settings allow 2"):
        train_stops(conditional(), DATA, replace(SHORT, epochs=2))


def test_validation_chooses_a_stop_for_each_lambda(whole):
    model, stops = whole
    found = choose_stops(model, stops, DATA, (0.0, 1.0))
    for lam, measured in found.valid.items():
        there = {k: evaluate(found.stopped(k).at(lam), DATA, "valid").means()["recall@20"] for k in stops}
        assert measured == there
    early = EveryLambda(model, stops, {0.0: {3: 0.4, 6: 0.3}, 0.5: {3: 0.1, 6: 0.3}, 1.0: {3: 0.1, 6: 0.3}})
    assert early.chosen == {0.0: 3, 0.5: 6, 1.0: 6} and early.common == 6
    assert torch.equal(early.at(0.0).score(SOME), early.stopped(3).at(0.0).score(SOME))
    assert torch.equal(early.at(0.75).score(SOME), early.stopped(6).at(0.75).score(SOME))
    mixed = between(early.stopped(3).at(0.25).score(SOME), early.stopped(6).at(0.25).score(SOME), 0.5)
    assert torch.equal(early.at(0.25).score(SOME), mixed)
    with pytest.raises(ValueError, match="outside of the trained ones"):
        EveryLambda(model, stops, {0.25: {3: 0.1, 6: 0.2}, 0.75: {3: 0.2, 6: 0.1}}).at(0.1)


def test_mixed_scores_rank_as_the_neighbours_at_the_ends_and_do_not_ask_where_logits_begin():
    lower, upper = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for share, end in ((0.0, lower), (1.0, upper)):
        assert torch.equal(between(lower, upper, share).argsort(1), end.argsort(1))
    moved = upper + torch.arange(5.0).unsqueeze(1)
    torch.testing.assert_close(between(lower, moved, 0.3), between(lower, upper, 0.3))
    by_hand = (lower.softmax(1) ** 0.7 * upper.softmax(1) ** 0.3).log()
    torch.testing.assert_close(between(lower, upper, 0.3), by_hand)
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="share"):
            between(lower, upper, share)
    with pytest.raises(ValueError, match=r"\(5, 9\), \(5, 8\)"):
        between(lower, upper[:, :8], 0.5)


def test_knots_are_exact_and_what_lies_between_is_mixed():
    models = {lam: build_model(SPEC.with_(seed=seed), DATA) for seed, lam in enumerate((0.0, 0.5, 1.0))}
    assert at_knots(models, 0.5) is models[0.5]
    mixed = at_knots(models, 0.875)
    assert isinstance(mixed, Between) and (mixed.lower, mixed.upper, mixed.share) == (models[0.5], models[1.0], 0.75)
    assert set(evaluate(mixed, DATA).per_user) == set(evaluate(models[0.0], DATA).per_user)
    with pytest.raises(TypeError, match="not trained"):
        mixed.loss(SOME)


@pytest.mark.parametrize("lambdas", [["0.5"], ["0.5", "0.5"], ["0", "1.5"], ["nan", "1"]])
def test_the_command_refuses_lambdas_before_it_trains(lambdas, capsys):
    assert main(["conditional", "toy", "--lambdas", *lambdas]) == 2
    assert "two or more from 0 to 1" in capsys.readouterr().err


def test_the_cost_of_one_stop_is_what_the_worst_off_lambda_loses():
    """From numbers written out: c(3) = max(0, .2), c(6) = max(.05, .1), c(9) = max(.03, 0)."""
    valid = {0.0: {3: 0.25, 6: 0.20, 9: 0.22}, 1.0: {3: 0.10, 6: 0.20, 9: 0.30, 12: 0.1}}
    assert costs_of_one_stop(valid) == pytest.approx({3: 0.2, 6: 0.1, 9: 0.03})
    assert min(costs_of_one_stop({0.0: {3: 0.2, 6: 0.3}, 1.0: {3: 0.1, 6: 0.4}}).values()) == 0


def test_the_command_keeps_what_it_measured(tmp_path, capsys):
    call = ["conditional", "toy", "--embedder", "tfidf", "--seeds", "7", "--workers", "1"]
    assert main([*call, "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]) == 0
    kept, text = (tmp_path / "out" / f"conditional.{kind}" for kind in ("json", "md"))
    document = json.loads(kept.read_text())
    assert text.read_text() in capsys.readouterr().out and document["provenance"]["seeds"] == [7]
    rows = document["numbers"]["lams"]
    assert [row["lam"] for row in rows] == list(LAMS) and all(0.2 < row["separate"]["mean"] < 0.6 for row in rows)
    assert [row["lam"] for row in document["numbers"]["knots"]] == [0.25, 0.75]
    assert page(document["numbers"], document["provenance"], "DMRec-M on Mult-VAE") == text.read_text()
    assert text.read_text().count("**approximation**") == 2
    assert "matrix products" not in text.read_text()
    taken, data = tmp_path / "taken", load(SPEC)  # runs that came without weights are compared, not mixed
    for one in finished("toy", tmp_path / "runs"):
        Measurements(save_measurements(one, data, tmp_path / "kept")).put_back(taken)
    (every,) = (tmp_path / "runs").glob("*-every-lambda")
    shutil.copytree(every, taken / every.name)
    assert main([*call, "--runs", str(taken), "--out", str(tmp_path / "again")]) == 0
    again = json.loads((tmp_path / "again" / "conditional.json").read_text())
    assert again["numbers"]["lams"] == rows and again["numbers"]["knots"] == []
    assert "## Between" not in (tmp_path / "again" / "conditional.md").read_text()
    assert "products in bf16; 1 seed" in page(again["numbers"], again["provenance"] | {"precision": "bf16"}, "DMRec-M")
    for row in rows:  # near the aims and far from them: the words follow the numbers
        row["chosen"]["mean"] = -0.0029 if row["lam"] else 0.011
    said = page(document["numbers"], document["provenance"], "DMRec-M on Mult-VAE")
    assert (
        "λ = 0.5, 0.75, 1: 0.0029. The aim is at most 0.003 over 3 seeds; with 1 it is reached, too few to say." in said
    )
    assert "λ = 0: 0.0110. The aim is at most 0.01 over 3 seeds; with 1 it is missed, too few to say." in said
    document["numbers"]["lams"][0]["chosen"]["values"] = [-0.0029] * 3
    assert "with 3 it is reached. " in page(document["numbers"], document["provenance"], "DMRec-M on Mult-VAE")


def test_the_kept_pages_say_what_their_numbers_say():
    kept = sorted((Path(__file__).resolve().parents[1] / "figures").rglob("conditional.json"))
    assert kept
    for path in kept:
        document = json.loads(path.read_text(encoding="utf-8"))
        said = page(document["numbers"], document["provenance"], "DMRec-M on Mult-VAE")
        assert path.with_suffix(".md").read_text(encoding="utf-8") == said


def test_the_models_of_two_strategies_are_kept_apart_where_alone_they_are_one_run(tmp_path):
    ends = [SPEC.with_(strategy=name, lam=lam, train=SHORT) for name, lam in (("mddm", 1.0), ("godm", 0.0))]
    assert len({spec.as_trained for spec in ends}) == 1
    mddm, godm = (conditional_run(spec, DATA, (0.0, 1.0), runs=tmp_path, device="cpu") for spec in ends)
    assert len(list(tmp_path.glob("*-every-lambda"))) == 2
    assert any(not torch.equal(value, godm.stops[3][name]) for name, value in mddm.stops[3].items())
