"""Every model of the paper learns, scores each user by themselves, and resumes to the same bits."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.baselines import LightGCN
from dmrec_core.data import RecDataset, SemanticVectors, toy_dataset
from dmrec_core.interactions import user_batch
from dmrec_core.language import with_language
from dmrec_core.recommender import Recommender
from dmrec_core.runs.build import build_model
from dmrec_core.runs.presets import paper_settings
from dmrec_core.training.checkpoint import Checkpoint
from dmrec_core.training.evaluate import evaluate
from dmrec_core.training.fit import TrainingCancelled, TrainSettings, fit

GRAPHS = ["lightgcn", "rlmrec-c", "rlmrec-g", "kar", "llmrec", "alpharec", "alpharec-star"]
GENERATIVE = [(m, s) for m in ("mult-vae", "cvga", "l-diffrec") for s in ("base", "godm", "cpdm", "mddm")]
EVERY = [*GENERATIVE, *((m, "base") for m in GRAPHS)]
NAMES = ["-".join(pair) for pair in EVERY]
LEARNING = [pair for pair in EVERY if pair[1] in ("base", "mddm")]
LEARNING_NAMES = ["-".join(pair) for pair in LEARNING]


class Popularity(Recommender):
    """The control: the same scores for everybody."""

    def __init__(self, train):
        super().__init__()
        self.counts = torch.nn.Parameter(torch.from_numpy(np.asarray(train.sum(0)).ravel()))

    def loss(self, batch):
        raise NotImplementedError

    def score(self, batch):
        return self.counts.repeat(len(batch), 1)


def trained_lightgcn(dataset):
    torch.manual_seed(0)
    model = LightGCN(dataset.train, reg_weight=1e-3)
    fit(model, dataset, TrainSettings(epochs=10, batch_size=512, learning_rate=5e-3), device="cpu")
    return model


@pytest.fixture(scope="module")
def dataset():
    return with_language(toy_dataset(n_users=300, n_items=150), "tfidf")


@pytest.fixture(scope="module")
def lightgcn(dataset):
    return trained_lightgcn(dataset)


@pytest.fixture(scope="module")
def control(dataset):
    return evaluate(Popularity(dataset.train), dataset).means()["ndcg@20"]


def new_model(dataset, lightgcn, model, strategy="base", **changes):
    spec = paper_settings("toy", model, strategy, **changes)
    return build_model(spec, dataset, lightgcn if spec.pretraining else None), spec.train


@pytest.fixture(scope="module", params=LEARNING, ids=LEARNING_NAMES)
def trained(request, dataset, lightgcn):
    model, settings = new_model(dataset, lightgcn, *request.param)
    before = evaluate(model, dataset).means()["ndcg@20"]
    epochs = 16 if request.param[0] in GRAPHS else 120 if request.param[0] == "cvga" else 60
    fit(model, dataset, replace(settings, epochs=epochs), device="cpu")
    return model, before


def test_beats_popularity_which_it_does_not_untrained(trained, dataset, control):
    model, before = trained
    bound = 1.2 * control
    assert evaluate(model, dataset).means()["ndcg@20"] > bound
    assert before < bound, "the bound must be out of reach without training"


def test_a_score_does_not_depend_on_whom_it_is_computed_with(trained, dataset):
    model, _ = trained
    with torch.inference_mode():
        together = model.score(user_batch(dataset.train, np.arange(40)))
        order = np.random.default_rng(0).permutation(40)
        torch.testing.assert_close(model.score(user_batch(dataset.train, order)), together[order])
        for user in (0, 17, 39):
            torch.testing.assert_close(model.score(user_batch(dataset.train, np.array([user])))[0], together[user])
    assert together.std(dim=0).max() > 1e-3, "users differ"


@pytest.mark.parametrize(("model", "strategy"), EVERY, ids=NAMES)
def test_resume_is_exact(dataset, lightgcn, tmp_path, model, strategy):
    changes = {
        "settings": {**dict(paper_settings("toy", model).settings), "mask_rate": 0.2, "reconstruction_weight": 0.1}
    }
    changes = changes if model == "llmrec" else {}  # its decoders have an optimiser group of their own
    settings = TrainSettings(epochs=4, batch_size=128, evaluate_every=2, patience=5)
    whole, _ = new_model(dataset, lightgcn, model, strategy, **changes)
    expected = fit(whole, dataset, settings, device="cpu")

    path, asked = tmp_path / "resume.safetensors", []
    per_epoch = len(list(whole.batches(dataset.train, 128, 0, torch.Generator(), torch.device("cpu"))))
    stopped, _ = new_model(dataset, lightgcn, model, strategy, **changes)
    with pytest.raises(TrainingCancelled):
        fit(stopped, dataset, settings, device="cpu", checkpoint=Checkpoint(path, seconds=0),
            cancel=lambda: asked.append(1) or len(asked) > 2 * per_epoch + 1)  # fmt: skip
    resumed, _ = new_model(dataset, lightgcn, model, strategy, **changes)
    for tensor in resumed.state_dict().values():  # the checkpoint must bring its own
        tensor.add_(1)
    result = fit(resumed, dataset, settings, device="cpu", checkpoint=Checkpoint(path))

    after, before = resumed.state_dict(), whole.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], before[name]) for name in before)
    strip = [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
    assert strip == [{k: v for k, v in row.items() if k != "seconds"} for row in expected.history]


@pytest.mark.parametrize(("model", "strategy"), EVERY, ids=NAMES)
def test_bfloat16_products_change_the_loss_little(dataset, lightgcn, model, strategy):
    losses = {}
    for enabled in (False, True):
        built, settings = new_model(dataset, lightgcn, model, strategy)
        order, noise = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
        batch = next(built.batches(dataset.train, settings.batch_size, 0, order, torch.device("cpu")))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = built.loss(replace(batch, generator=noise))
        loss.total.backward()
        assert all(p.grad is None or torch.isfinite(p.grad).all() for p in built.parameters())
        assert all(term.dtype == torch.float32 for term in loss.terms.values()), "sums are taken in float32"
        losses[enabled] = loss.total.item()
    assert losses[True] == pytest.approx(losses[False], rel=5e-3)


# twenty users, whose five items have nothing to do with anything: only memory helps


@pytest.fixture(scope="module")
def twenty():
    rng = np.random.default_rng(0)
    dense = np.zeros((20, 60), dtype=np.float32)
    for row in dense:
        row[rng.choice(60, 5, replace=False)] = 1
    train, nothing = sp.csr_matrix(dense), sp.csr_matrix((20, 60), dtype=np.float32)
    vectors = SemanticVectors(rng.normal(size=(20, 32)), rng.normal(size=(60, 32)), embedder="random")
    return RecDataset("twenty", 20, 60, train, nothing, nothing, language=vectors)


def remembered(model, dataset):
    """Share of each user's items among their first |x_u|, nothing masked."""
    with torch.inference_mode():
        scores = model.score(user_batch(dataset.train, np.arange(dataset.n_users)))
    first = scores.topk(5).indices.numpy()
    return np.mean([len(set(first[u]) & set(dataset.train[u].indices)) / 5 for u in range(dataset.n_users)])


WITHOUT_NOISE = {
    "lightgcn": {"edge_dropout": 0.0},
    "rlmrec-c": {"edge_dropout": 0.0},
    "rlmrec-g": {"edge_dropout": 0.0, "mask_ratio": 0.0},
    "kar": {"edge_dropout": 0.0},
    "llmrec": {"prune_rate": 0.0, "edge_share": 0.0, "profile_weight": 0.1},
    "alpharec": {"n_negatives": 50, "temperature": 0.1},
    "alpharec-star": {"n_negatives": 50, "temperature": 0.1},
    "l-diffrec": {"denoiser_learning_rate": 3e-3},
}


@pytest.mark.parametrize(("model", "strategy"), LEARNING, ids=LEARNING_NAMES)
def test_overfits_twenty_users(twenty, model, strategy):
    spec = paper_settings("toy", model, strategy).with_(
        **({"kl_weight": 0.01} if strategy == "base" else {"lam": 0.02}),
        dropout=0.0,
        latent=128 if model == "l-diffrec" else 32,  # half of what its denoiser reads is always dropped
        hidden=64,
        settings=WITHOUT_NOISE.get(model, {}),
    )
    torch.manual_seed(0)
    fitted = build_model(spec, twenty, LightGCN(twenty.train) if spec.pretraining else None)
    optimizer, step = fitted.optimizer(1e-2, 0.0), 0
    order, noise = torch.Generator().manual_seed(0), torch.Generator().manual_seed(1)
    assert remembered(Popularity(twenty.train), twenty) < 0.5
    assert remembered(fitted, twenty) < 0.9  # a graph knows something before it has learned
    for epoch in range(300):
        for batch in fitted.batches(twenty.train, 100, epoch, order, torch.device("cpu")):
            optimizer.zero_grad()
            fitted.loss(replace(batch, generator=noise, epoch=epoch, step=step)).total.backward()
            optimizer.step()
            step += 1
        if epoch % 20 == 19 and remembered(fitted.eval(), twenty) > 0.95:
            return
    assert remembered(fitted, twenty) > 0.95
