"""Eq. 1, 8, 15-17: bounds are bounds, identities hold within their standard errors, and each check can fail."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import sparse

from dmrec_core.backbones import MultVAE
from dmrec_core.gaussian import DiagonalGaussian, kl, kl_to_standard_normal, log_density, wasserstein2_squared
from dmrec_core.interactions import UserBatch, user_batch
from dmrec_core.likelihood import multinomial_nll
from dmrec_core.matching import mddm
from dmrec_core.theory.elbo import (
    evidence_lower_bound,
    evidence_on_a_grid,
    importance_weighted_bound,
    log_importance_weights,
)
from dmrec_core.theory.information import LinearGaussianWorld, information, information_bottleneck
from dmrec_core.theory.monte_carlo import composite_divergence_by_sampling, draws_from, kl_by_sampling, mean_of_draws
from dmrec_core.theory.pooling import log_linear_pool, pool_constant
from dmrec_core.theory.transport import coupling_cost, displacement, transport_map


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussians(batch: int = 5, d: int = 3, seed: int = 0) -> DiagonalGaussian:
    mean, logvar = torch.randn(2, batch, d, generator=generator(seed), dtype=torch.float64)
    return DiagonalGaussian(mean, logvar)


def one(mean: float, variance: float) -> DiagonalGaussian:
    """One user, one dimension."""
    return DiagonalGaussian(*torch.tensor([[[mean]], [[math.log(variance)]]], dtype=torch.float64))


def within(estimate, expected, errors: float = 4.5) -> bool:
    off = (estimate.value - torch.as_tensor(expected, dtype=estimate.value.dtype)).abs()
    return bool((off <= errors * estimate.standard_error).all())


# Eq. 1


def gaussian_model(mean: float, variance: float, samples: int, seed: int = 0) -> torch.Tensor:
    """Log-weights of z ~ N(0, 1), x = z + N(0, 1/4), x = 1, drawn from N(mean, variance): log p(x) is known."""
    x, noise = 1.0, 0.25
    q = one(mean, variance)
    z = draws_from(q, samples, generator(seed))
    return log_density(z, one(x, noise)) + log_density(z, one(0.0, 1.0)) - log_density(z, q)


LOG_EVIDENCE = -0.5 * (1.0 / 1.25 + math.log(2 * math.pi * 1.25))  # x ~ N(0, 1 + 1/4) at x = 1


def test_bound_is_tight_at_the_true_posterior():
    weights = gaussian_model(mean=0.8, variance=0.2, samples=50)  # the exact posterior
    bound = evidence_lower_bound(weights)
    torch.testing.assert_close(bound.value.item(), LOG_EVIDENCE)
    assert bound.standard_error.item() < 1e-12  # every draw says the same


def test_gap_is_the_divergence_from_the_true_posterior():
    bound = evidence_lower_bound(gaussian_model(mean=0.3, variance=0.5, samples=200_000))
    assert within(bound, LOG_EVIDENCE - kl(one(0.3, 0.5), one(0.8, 0.2)).item())
    assert not within(bound, LOG_EVIDENCE)  # the check would notice a missing gap


def test_importance_weighting_closes_the_gap():
    weights = gaussian_model(mean=0.3, variance=0.5, samples=200_000)
    assert within(importance_weighted_bound(weights), LOG_EVIDENCE)
    assert importance_weighted_bound(weights).value > evidence_lower_bound(weights).value


def test_delta_method_error_is_the_spread_of_repetitions():
    repeats = [importance_weighted_bound(gaussian_model(0.3, 0.5, 2000, seed)) for seed in range(200)]
    spread = torch.stack([r.value for r in repeats]).std()
    claimed = torch.stack([r.standard_error for r in repeats]).mean()
    assert 0.8 < (claimed / spread).item() < 1.25


def test_weights_of_a_backbone_give_reconstruction_minus_prior_term():
    matrix = sparse.csr_matrix(np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=np.float32))
    torch.manual_seed(0)
    backbone = MultVAE(5, hidden=8, latent=2).double()
    batch = user_batch(matrix, np.arange(2))
    with torch.no_grad():
        q = backbone.posterior(batch)
        bound = evidence_lower_bound(log_importance_weights(backbone, batch, q, 5000, generator()))
        z = draws_from(q, 1000, generator(1))
        likelihood = mean_of_draws(torch.stack([-multinomial_nll(backbone.decode(row), batch.rows) for row in z]))
    expected = likelihood.value - kl_to_standard_normal(q)
    error = (bound.standard_error.square() + likelihood.standard_error.square()).sqrt()
    assert ((bound.value - expected).abs() < 4.5 * error).all()


def small_model() -> tuple[MultVAE, UserBatch]:
    matrix = sparse.csr_matrix(np.array([[1, 1, 0, 0, 1], [0, 0, 1, 0, 0]], dtype=np.float32))
    torch.manual_seed(0)
    return MultVAE(5, hidden=8, latent=2), user_batch(matrix, np.arange(2))


def test_grid_is_exact_where_items_do_not_depend_on_z():
    backbone, batch = small_model()
    with torch.no_grad():
        backbone.decoder_output.weight.zero_()
        backbone.decoder_output.bias.zero_()
        grid = evidence_on_a_grid(backbone, batch)
    torch.testing.assert_close(grid.log_evidence, -math.log(5) * torch.tensor([3.0, 1.0]), rtol=1e-5, atol=1e-5)
    step = grid.axis[1] - grid.axis[0]
    torch.testing.assert_close(grid.log_posterior.exp().sum((1, 2)) * step**2, torch.ones(2))


def test_bounds_order_below_the_grids_evidence():
    backbone, batch = small_model()
    with torch.no_grad():
        backbone.decoder_output.weight.mul_(20)  # items that do depend on z
        grid = evidence_on_a_grid(backbone, batch)
        weights = log_importance_weights(backbone, batch, backbone.posterior(batch), 50_000, generator())
    bound, tighter = evidence_lower_bound(weights), importance_weighted_bound(weights)
    assert (grid.log_evidence - bound.value > 5 * bound.standard_error).all()  # the gap is real
    assert within(tighter, grid.log_evidence)


def test_grid_refuses_other_widths():
    _, batch = small_model()
    with pytest.raises(ValueError, match="has 3"):
        evidence_on_a_grid(MultVAE(5, hidden=8, latent=3), batch)


def test_one_draw_has_no_standard_error():
    with pytest.raises(ValueError, match="at least 2 draws; got 1"):
        evidence_lower_bound(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="at least 2 draws; got 1"):
        importance_weighted_bound(torch.zeros(1, 3))


# Eq. 8: the map attains the minimum


def test_map_pushes_p_onto_q_at_the_price_of_equation_9():
    p, q = gaussians(1, 2, seed=1), gaussians(1, 2, seed=2)
    x = draws_from(p, 200_000, generator())[:, 0]
    y = transport_map(p, q, x)
    moments = mean_of_draws(torch.cat([y, (y - q.mean).square()], dim=1))
    assert within(moments, torch.cat([q.mean[0], q.variance[0]]))
    assert within(mean_of_draws((x - y).square().sum(1)), wasserstein2_squared(p, q).item())


def test_no_other_coupling_is_cheaper():
    p, q = gaussians(1, 2, seed=1), gaussians(1, 2, seed=2)
    x = draws_from(p, 4000, generator())[:, 0]
    y = transport_map(p, q, x)
    best = coupling_cost(x, y)
    for seed in range(5):
        assert coupling_cost(x, y[torch.randperm(len(y), generator=generator(seed))]) > best
    with pytest.raises(ValueError, match="one to one"):
        coupling_cost(x, y[:-1])


def test_displacement_is_a_geodesic():
    p, q = gaussians(seed=1), gaussians(seed=2)
    whole = wasserstein2_squared(p, q).sqrt()
    for time in (0.0, 0.3, 1.0):
        part = wasserstein2_squared(p, displacement(p, q, time)).sqrt()
        torch.testing.assert_close(part, time * whole, rtol=1e-9, atol=1e-7)
    with pytest.raises(ValueError, match="time"):
        displacement(p, q, 1.5)


# Eq. 11, 12: the mixture itself


def test_divergence_by_sampling_agrees_with_the_closed_form():
    q, p = gaussians(seed=1), gaussians(seed=2)
    estimate = kl_by_sampling(q, lambda z: log_density(z, p), 40_000, generator())
    assert within(estimate, kl(q, p))
    assert not within(estimate, kl(p, q))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_divergence_from_the_mixture_is_bounded_however_far_apart(alpha):
    q = gaussians(seed=1)
    far = DiagonalGaussian(q.mean + 1e3, q.logvar)
    estimate = composite_divergence_by_sampling(q, far, alpha, 500, generator())
    torch.testing.assert_close(
        estimate.value, torch.full_like(estimate.value, -math.log(alpha) - math.log(1 - alpha)), rtol=1e-9, atol=1e-9
    )


# Eq. 15: one divergence from a pooled prior


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0])
def test_mddm_is_one_divergence_from_the_pool(lam):
    q, p = gaussians(seed=1), gaussians(seed=2)
    prior = DiagonalGaussian(torch.zeros_like(q.mean), torch.zeros_like(q.logvar))
    two = mddm(q, p, q, lam, "paper").total
    torch.testing.assert_close(two, kl(q, log_linear_pool(prior, p, lam)) + pool_constant(prior, p, lam))


def test_pool_of_equals_is_the_same_and_costs_nothing():
    p = gaussians(seed=2)
    pool = log_linear_pool(p, p, 0.3)
    torch.testing.assert_close(pool.mean, p.mean)
    torch.testing.assert_close(pool.logvar, p.logvar)
    torch.testing.assert_close(pool_constant(p, p, 0.3), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="weight"):
        log_linear_pool(p, p, -0.1)


# Eq. 16, 17

WORLDS = [
    LinearGaussianWorld(),
    LinearGaussianWorld(rho=0.0),
    LinearGaussianWorld(rho=-0.9, a=0.5, v=1.0, c=0.0, w=0.3),
    LinearGaussianWorld(rho=0.99, a=2.0, v=0.5, c=1.9, w=0.6),
]


@pytest.mark.parametrize("world", WORLDS)
def test_identity_of_equation_16_in_closed_form(world):
    assert math.isclose(world.divergence, world.interactions - world.texts_bound, rel_tol=1e-12)
    assert world.misreading >= 0 and 0 <= world.texts <= world.interactions


@pytest.mark.parametrize("world", WORLDS)
def test_closed_forms_agree_with_sampling(world):
    q, p = world.draw(3000, generator())
    found = information(q, p, samples=2, generator=generator(1))
    # the average over 3000 posteriors stands in for q(z): its own error is of order 1/3000
    for estimate, expected in ((found.interactions, world.interactions), (found.texts, world.texts_bound)):
        assert abs(estimate.value - expected) < 4.5 * estimate.standard_error + 3e-3
    assert within(mean_of_draws(kl(q, p)), world.divergence)


def test_exact_reading_makes_the_bound_tight():
    world = LinearGaussianWorld()
    gain, variance = world.given_texts
    exact = LinearGaussianWorld(rho=world.rho, a=world.a, v=world.v, c=gain, w=variance)
    assert exact.misreading < 1e-12
    assert math.isclose(exact.divergence, exact.interactions - exact.texts, rel_tol=1e-9)


@pytest.mark.parametrize("world", WORLDS)
def test_bound_of_equation_17(world):
    for beta in (0.0, 0.4, 1.0):
        assert information_bottleneck(world.texts, world.interactions, beta) >= -world.divergence - 1e-12


def test_bound_of_equation_17_needs_its_condition():
    world = LinearGaussianWorld(c=0.8, w=0.61)  # nearly exact reading: the bound has little to spare
    assert world.texts - 2.0 * world.interactions < -world.divergence  # beta = 2: the inequality fails
    with pytest.raises(ValueError, match="beta in \\[0, 1\\]"):
        information_bottleneck(world.texts, world.interactions, 2.0)


def test_information_is_at_most_the_log_of_the_users_given():
    q = DiagonalGaussian(100.0 * torch.eye(8, dtype=torch.float64), torch.zeros(8, 8, dtype=torch.float64))
    found = information(q, q, samples=4, generator=generator())
    torch.testing.assert_close(found.interactions.value.item(), math.log(8))
    torch.testing.assert_close(found.texts.value.item(), math.log(8))


def test_users_that_are_all_alike_hold_no_information():
    q = DiagonalGaussian(torch.zeros(8, 2, dtype=torch.float64), torch.zeros(8, 2, dtype=torch.float64))
    found = information(q, q, generator=generator(), chunk=3)
    torch.testing.assert_close(found.interactions.value.item(), 0.0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fields", [{"rho": 1.0}, {"v": 0.0}, {"w": -1.0}])
def test_world_refuses_what_has_no_density(fields):
    with pytest.raises(ValueError):
        LinearGaussianWorld(**fields)
