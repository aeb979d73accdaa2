"""Closed forms against torch.distributions, against sampling, and at the edges."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

from dmrec_core import gaussian
from dmrec_core.gaussian import DiagonalGaussian

SEEDS = range(5)


def random_gaussian(seed: int, batch: int = 6, d: int = 4) -> DiagonalGaussian:
    g = torch.Generator().manual_seed(seed)
    return DiagonalGaussian(
        torch.randn(batch, d, generator=g, dtype=torch.float64),
        torch.randn(batch, d, generator=g, dtype=torch.float64),
    )


def as_torch(q: DiagonalGaussian) -> Independent:
    return Independent(Normal(q.mean, q.std), 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_equals_torch_distributions(seed):
    q, p = random_gaussian(seed), random_gaussian(seed + 100)
    torch.testing.assert_close(gaussian.kl(q, p), kl_divergence(as_torch(q), as_torch(p)))
    standard = DiagonalGaussian(torch.zeros_like(q.mean), torch.zeros_like(q.mean))
    torch.testing.assert_close(gaussian.kl_to_standard_normal(q), gaussian.kl(q, standard))


@pytest.mark.parametrize("seed", SEEDS)
def test_wasserstein_equals_the_matrix_form_of_eq_9(seed):
    p, q = random_gaussian(seed), random_gaussian(seed + 100)
    for u in range(len(p.mean)):
        sp, sq = torch.diag(p.variance[u]), torch.diag(q.variance[u])
        root = torch.diag(p.std[u])
        values, vectors = torch.linalg.eigh(root @ sq @ root)
        middle = vectors @ torch.diag(values.sqrt()) @ vectors.T
        expected = (p.mean[u] - q.mean[u]).square().sum() + torch.trace(sp + sq - 2 * middle)
        torch.testing.assert_close(gaussian.wasserstein2_squared(p, q)[u], expected)


def test_wasserstein_is_the_cost_of_the_best_coupling():
    # in one dimension sorting both samples is the optimal transport plan (Eq. 8)
    p = DiagonalGaussian(torch.tensor([[0.0]]), torch.tensor([[0.0]]))
    q = DiagonalGaussian(torch.tensor([[2.0]]), torch.tensor([[math.log(9.0)]]))
    n = 200_000
    quantiles = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    base = Normal(0.0, 1.0).icdf(quantiles)
    moved = 2 + 3 * base
    assert gaussian.wasserstein2(p, q).item() == pytest.approx((moved - base).square().mean().sqrt().item(), rel=1e-3)
    random_plan = moved[torch.randperm(n, generator=torch.Generator().manual_seed(0))]
    assert (random_plan - base).square().mean().sqrt() > 1.1 * gaussian.wasserstein2(p, q)


@pytest.mark.parametrize("distance", ["kl", "wasserstein2_squared", "wasserstein2"])
def test_distance_is_zero_for_equals_and_positive_otherwise(distance):
    q = random_gaussian(0)
    function = getattr(gaussian, distance)
    assert torch.equal(function(q, q), torch.zeros(6, dtype=torch.float64))
    for seed in SEEDS:
        assert (function(random_gaussian(seed), random_gaussian(seed + 50)) > 0).all()


def test_kl_keeps_its_digits_near_zero():
    q = DiagonalGaussian(torch.zeros(1, 1), torch.full((1, 1), 1e-3))
    p = DiagonalGaussian(torch.zeros(1, 1), torch.zeros(1, 1))
    exact = 0.5 * (math.expm1(1e-3) - 1e-3)
    assert gaussian.kl(q, p).item() == pytest.approx(exact, rel=1e-3)
    naive = 0.5 * (torch.exp(q.logvar) - 1 - q.logvar)
    assert abs(naive.item() - exact) > 1e-3 * exact  # why expm1 is there


@pytest.mark.parametrize("seed", SEEDS)
def test_kl_by_sampling_lies_within_its_standard_error(seed):
    q, p = random_gaussian(seed), random_gaussian(seed + 100)
    g = torch.Generator().manual_seed(seed)
    z = torch.stack([q.sample(g) for _ in range(4000)])
    ratio = gaussian.log_density(z, q) - gaussian.log_density(z, p)
    error = ratio.std(0) / math.sqrt(len(z))
    assert ((ratio.mean(0) - gaussian.kl(q, p)).abs() < 4.5 * error).all()


def test_log_density_and_mixture_equal_torch_distributions():
    q, p = random_gaussian(1), random_gaussian(2)
    z = torch.randn(7, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(gaussian.log_density(z, q), as_torch(q).log_prob(z))
    mixture = torch.log(0.3 * as_torch(q).log_prob(z).exp() + 0.7 * as_torch(p).log_prob(z).exp())
    torch.testing.assert_close(gaussian.log_mixture_density(z, q, p, 0.3), mixture)


def test_sum_of_independent_gaussians_and_the_published_fusion_differ():
    q, p = random_gaussian(1), random_gaussian(2)
    added, multiplied = gaussian.add_independent(q, p), gaussian.multiply_variances(q, p)
    torch.testing.assert_close(added.mean, multiplied.mean)
    torch.testing.assert_close(added.variance, q.variance + p.variance)
    torch.testing.assert_close(multiplied.variance, q.variance * p.variance)


def test_moment_matched_composite_has_the_mixtures_moments():
    q, p = random_gaussian(1, batch=1, d=1), random_gaussian(2, batch=1, d=1)
    composite = gaussian.moment_matched_composite(q, p, 0.3)
    z = torch.linspace(-40, 40, 400_001, dtype=torch.float64).reshape(-1, 1, 1)
    density = gaussian.log_mixture_density(z, q, p, 0.3).exp().squeeze()
    x, step = z.squeeze(), (z[1] - z[0]).item()
    mean = (density * x).sum() * step
    assert composite.mean.item() == pytest.approx(mean.item(), rel=1e-6)
    assert composite.variance.item() == pytest.approx(((density * (x - mean) ** 2).sum() * step).item(), rel=1e-6)


@pytest.mark.parametrize("function", ["kl", "wasserstein2_squared", "wasserstein2"])
def test_gradcheck(function):
    q, p = random_gaussian(1, 2, 3), random_gaussian(2, 2, 3)
    inputs = [t.requires_grad_() for t in (*q, *p)]
    f = getattr(gaussian, function)
    assert torch.autograd.gradcheck(lambda a, b, c, d: f(DiagonalGaussian(a, b), DiagonalGaussian(c, d)), inputs)


@pytest.mark.parametrize("a", [-20.0, 20.0])
@pytest.mark.parametrize("b", [-20.0, 20.0])
def test_extreme_log_variances_stay_finite(a, b):
    q = DiagonalGaussian(torch.zeros(1, 3, requires_grad=True), torch.full((1, 3), a, requires_grad=True))
    p = DiagonalGaussian(torch.ones(1, 3, requires_grad=True), torch.full((1, 3), b, requires_grad=True))
    total = sum(f(q, p).sum() for f in (gaussian.kl, gaussian.wasserstein2_squared, gaussian.wasserstein2))
    total = total + gaussian.kl(p, gaussian.moment_matched_composite(q, p)).sum()
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(t.grad).all() for t in (*q, *p))


def test_a_batch_equals_its_stacked_singles():
    q, p = random_gaussian(1), random_gaussian(2)
    for f in (gaussian.kl, gaussian.wasserstein2, gaussian.wasserstein2_squared):
        singles = [
            f(
                DiagonalGaussian(q.mean[u : u + 1], q.logvar[u : u + 1]),
                DiagonalGaussian(p.mean[u : u + 1], p.logvar[u : u + 1]),
            )
            for u in range(6)
        ]
        torch.testing.assert_close(f(q, p), torch.cat(singles))


def test_bad_arguments_are_named():
    q = random_gaussian(1)
    with pytest.raises(ValueError, match=r"\(6, 4\).*\(5, 4\)"):
        gaussian.kl(q, random_gaussian(2, batch=5))
    with pytest.raises(ValueError, match="alpha"):
        gaussian.moment_matched_composite(q, q, 1.0)
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        DiagonalGaussian.from_heads(torch.zeros(2, 3))


def test_heads_are_float32_at_least_and_bounded():
    q = DiagonalGaussian.from_heads(torch.tensor([[1.0, 1e4]], dtype=torch.bfloat16))
    assert q.mean.dtype == torch.float32 and q.logvar.item() == gaussian.MAX_LOGVAR
