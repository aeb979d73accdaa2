"""The strategies: values written out, the facts the notebooks tell about them, and refusals."""

import pytest
import torch

from dmrec_core.gaussian import DiagonalGaussian, kl, kl_to_standard_normal
from dmrec_core.matching import ALL_STRATEGIES, VARIANTS, add_only, cpdm, fuse, godm, mddm, without_mixing


@pytest.fixture
def spaces():
    g = torch.Generator().manual_seed(0)
    q, p = (DiagonalGaussian(*torch.randn(2, 5, 8, generator=g, dtype=torch.float64)) for _ in range(2))
    return q, p, fuse(q, p)


def test_published_mddm_and_cpdm_written_out(spaces):
    """FACTS of the algebra: with the sum in q's place, mu_l leaves the matching term."""
    q, p, fused = spaces
    mddm_term = 0.5 * (q.logvar.exp() - 1 - q.logvar + q.mean**2 * torch.exp(-p.logvar)).sum(-1)
    torch.testing.assert_close(mddm(q, p, fused, 0.0).matching, mddm_term)
    s = torch.exp(q.logvar / 2)
    cpdm_term = 0.5 * (s + 1 / s - 2 + q.mean**2 / (2 * s * p.logvar.exp())).sum(-1)
    torch.testing.assert_close(cpdm(q, p, fused, 1.0).matching, cpdm_term)


@pytest.mark.parametrize("strategy", [mddm, cpdm])
def test_the_language_mean_cancels_from_the_published_terms_but_not_from_the_paper_s(spaces, strategy):
    q, p, _ = spaces
    mean = p.mean.clone().requires_grad_()
    moved = DiagonalGaussian(mean, p.logvar)
    published = strategy(q, moved, fuse(q, moved), 0.5).matching.sum()
    assert torch.autograd.grad(published, mean)[0].abs().max() < 1e-12
    paper = strategy(q, moved, fuse(q, moved, "paper"), 0.5, "paper").matching.sum()
    assert torch.autograd.grad(paper, mean)[0].abs().max() > 1e-2


def test_where_the_strategies_are_one_model(spaces):
    totals = [mddm(*spaces, 1.0).total, godm(*spaces, 0.0).total, cpdm(*spaces, 0.0).total, add_only(*spaces).total]
    for total in totals[1:]:
        torch.testing.assert_close(total, totals[0])
    torch.testing.assert_close(totals[0], kl_to_standard_normal(spaces[2]))


def test_paper_variant_is_the_printed_equations(spaces):
    q, p, fused = spaces
    w2 = (q.mean - p.mean).square().sum(-1) + (q.std - p.std).square().sum(-1)
    torch.testing.assert_close(godm(q, p, fused, 0.3, "paper").total, kl_to_standard_normal(q) + 0.3 * w2)
    torch.testing.assert_close(mddm(q, p, fused, 0.3, "paper").total, 0.3 * kl_to_standard_normal(q) + 0.7 * kl(q, p))
    torch.testing.assert_close(
        without_mixing(q, p, fused, 0.3, "paper").total, kl_to_standard_normal(q) + 0.3 * kl(q, p)
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", sorted(ALL_STRATEGIES))
def test_one_finite_number_per_user_and_user_by_user(spaces, name, variant):
    terms = ALL_STRATEGIES[name].terms(*spaces, 0.5, variant)
    assert terms.prior.shape == terms.matching.shape == (5,)
    assert torch.isfinite(terms.total).all() and (terms.matching >= 0).all()
    one = [DiagonalGaussian(g.mean[2:3], g.logvar[2:3]) for g in spaces]
    torch.testing.assert_close(ALL_STRATEGIES[name].terms(*one, 0.5, variant).total, terms.total[2:3])


@pytest.mark.parametrize("name", ["godm", "cpdm", "mddm", "without_mixing"])
def test_lambda_must_be_a_weight(spaces, name):
    for lam in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="lambda"):
            ALL_STRATEGIES[name].terms(*spaces, lam)


def test_mddm_mixes_so_lambda_is_at_most_one(spaces):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        mddm(*spaces, 1.5)


def test_unknown_variant_is_named(spaces):
    with pytest.raises(ValueError, match="released"):
        godm(*spaces, 0.5, "released")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", sorted(ALL_STRATEGIES))
def test_one_lambda_a_user_gives_the_bits_of_one_for_all(spaces, name, variant):
    q, p, fused = (DiagonalGaussian(g.mean.float(), g.logvar.float()) for g in spaces)
    lams = torch.tensor([0.0, 0.1, 0.37, 0.6, 1.0]) if ALL_STRATEGIES[name].highest_lam else torch.zeros(5)
    each = ALL_STRATEGIES[name].terms(q, p, fused, lams, variant)
    for user, lam in enumerate(lams):
        for one in (float(lam), torch.full((5,), float(lam))):
            told = ALL_STRATEGIES[name].terms(q, p, fused, one, variant)
            assert torch.equal(told.prior[user], each.prior[user])
            assert torch.equal(told.matching[user], each.matching[user])


@pytest.mark.parametrize("name", ["godm", "cpdm", "mddm", "without_mixing"])
def test_a_lambda_among_many_that_means_nothing_is_named(spaces, name):
    for wrong, said in ((-0.25, "-0.25"), (float("nan"), "nan")):
        with pytest.raises(ValueError, match=f"lambda must lie in .* got {said}"):
            ALL_STRATEGIES[name].terms(*spaces, torch.tensor([0.1, 0.2, wrong, 0.4, 0.5], dtype=torch.float64))
    with pytest.raises(ValueError, match=r"one a user, \(B,\); got shape \(5, 1\)"):
        ALL_STRATEGIES[name].terms(*spaces, torch.full((5, 1), 0.5))
