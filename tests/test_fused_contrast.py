"""The fused contrasts equal the plain formulas in value and gradient, whatever the tiles, and say what they refuse."""

import pytest
import torch
import torch.nn.functional as F

from dmrec_core.baselines import fused_contrast
from dmrec_core.baselines.contrast import info_nce
from dmrec_core.baselines.fused_contrast import distinct, fused_info_nce, products_at

B, K = 11, 17


def vectors(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(params=[(256, 1024), (3, 5), (4, 17)], ids=["one tile", "uneven tiles", "whole rows"])
def tiles(request, monkeypatch):
    monkeypatch.setattr(fused_contrast, "TILE", request.param)


def value_and_gradients(function, inputs):
    inputs = [x.clone().requires_grad_() for x in inputs]
    out = function(*inputs)
    (
        out * torch.linspace(0.5, 2, len(out), dtype=out.dtype)
    ).sum().backward()  # every row's gradient counts differently
    return out, *(x.grad for x in inputs)


@pytest.mark.parametrize("d", [4, 200], ids=["exponentials anew", "exponentials kept"])
@pytest.mark.parametrize("temperature", [0.05, 0.2, 3.0])
def test_fused_info_nce_equals_the_plain_one(tiles, d, temperature):
    inputs = vectors(B, d), vectors(B, d, seed=1), vectors(K, d, seed=2)
    plain = value_and_gradients(lambda e, t, c: info_nce(e, t, c, temperature), inputs)
    fused = value_and_gradients(lambda e, t, c: fused_info_nce(e, t, c, temperature), inputs)
    for found, expected in zip(fused, plain, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("temperature", [0.2, 0.001], ids=["fused", "too steep to fuse"])
def test_counts_stand_for_repeated_candidates(tiles, temperature):
    inputs = vectors(B, 4), vectors(B, 4, seed=1), vectors(K, 4, seed=2)
    counts = torch.arange(K) % 4 + 1
    plain = value_and_gradients(lambda e, t, c: info_nce(e, t, c.repeat_interleave(counts, dim=0), temperature), inputs)
    fused = value_and_gradients(lambda e, t, c: fused_info_nce(e, t, c, temperature, counts), inputs)
    for found, expected in zip(fused, plain, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("d", [3, 130])
def test_gradcheck(tiles, d):
    inputs = [x.requires_grad_() for x in (vectors(3, d), vectors(3, d, seed=1), vectors(4, d, seed=2))]
    assert torch.autograd.gradcheck(lambda e, t, c: fused_info_nce(e, t, c, 0.3), inputs)


def test_float32_is_as_exact_as_the_plain_formula():
    inputs = [vectors(300, 32), vectors(300, 32, seed=1), vectors(900, 32, seed=2)]
    exact = value_and_gradients(lambda e, t, c: info_nce(e, t, c, 0.1), inputs)
    single = [x.float() for x in inputs]
    for function in (info_nce, fused_info_nce):
        for found, expected in zip(value_and_gradients(lambda *x: function(*x, 0.1), single), exact, strict=True):  # noqa: B023
            assert (found - expected).norm() < 2e-6 * expected.norm()


def test_the_steepest_temperature_neither_overflows_nor_loses_the_target():
    e = vectors(5, 8).float()
    opposite = torch.cat([e, -e])
    for targets in (e, -e):  # cosines of 1 and of -1
        found = fused_info_nce(e, targets, opposite, 1 / fused_contrast.STEEPEST)
        torch.testing.assert_close(found, info_nce(e, targets, opposite, 1 / fused_contrast.STEEPEST))


def test_frozen_candidates_get_no_gradient_and_cost_none():
    e = vectors(B, 4).requires_grad_()
    fused_info_nce(e, vectors(B, 4, seed=1), vectors(K, 4, seed=2), 0.2).sum().backward()
    assert e.grad.isfinite().all()


@pytest.mark.parametrize("d", [16, 200])
def test_under_autocast_products_are_narrow_and_the_rest_is_float32(d):
    inputs = [x.float().requires_grad_() for x in (vectors(B, d), vectors(B, d, seed=1), vectors(K, d, seed=2))]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = fused_info_nce(inputs[0].bfloat16(), *inputs[1:], 0.2)
        picked = products_at(inputs[0], inputs[2], torch.zeros(B, 2, dtype=torch.int64))
    assert found.dtype == picked.dtype == torch.float32
    torch.testing.assert_close(found, info_nce(*inputs, 0.2), rtol=0.05, atol=0.05)
    (found.sum() + picked.sum()).backward()
    assert all(x.grad.dtype == torch.float32 for x in inputs)


def test_distinct_rows_and_their_counts_rebuild_the_batch():
    ids = torch.tensor([[4, 1, 4], [1, 9, 4]])
    each, place, counts = distinct(ids)
    assert torch.equal(each[place], ids) and torch.equal(each.repeat_interleave(counts), ids.flatten().sort().values)


def test_products_at_equals_gathered_dot_products(tiles):
    columns = torch.randint(K, (50, 6), generator=torch.Generator().manual_seed(0))
    columns[0] = columns[0, 0]  # one column several times

    def plain(a, t):
        return (a.unsqueeze(1) * t[columns]).sum(-1).pow(2).sum(1)

    inputs = vectors(50, 4), vectors(K, 4, seed=1)
    fused = value_and_gradients(lambda a, t: products_at(a, t, columns).pow(2).sum(1), inputs)
    for found, expected in zip(fused, value_and_gradients(plain, inputs), strict=True):
        torch.testing.assert_close(found, expected)


def test_what_does_not_fit_is_named():
    e = torch.eye(3)
    with pytest.raises(ValueError, match=r"anchor and target must be .*\(3, 3\), \(2, 3\)"):
        fused_info_nce(e, e[:2], e, 0.2)
    with pytest.raises(ValueError, match=r"one per candidate, \(3,\); got \(2,\)"):
        fused_info_nce(e, e, e, 0.2, counts=torch.ones(2))
    with pytest.raises(ValueError, match="temperature must be a number > 0"):
        fused_info_nce(e, e, e, 0.0)
    assert F.cross_entropy(e / 0.2, torch.arange(3)).isclose(fused_info_nce(e, e, e, 0.2).mean())
