"""The plain likelihood by hand; the fused one equal to it, in value and gradient, and close to it in bfloat16."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from dmrec_core.interactions import InteractionLinear, InteractionRows, user_batch, user_batches
from dmrec_core.likelihood import ROWS_AT_ONCE, fused_multinomial_nll, multinomial_nll

USERS, ITEMS, HIDDEN = 7, 40, 5


@pytest.fixture
def rows() -> InteractionRows:
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix((rng.random((USERS, ITEMS)) < 0.15).astype(np.float32))
    return InteractionRows.from_csr(matrix, np.arange(USERS))


@pytest.fixture
def layer():
    g = torch.Generator().manual_seed(1)
    return [torch.randn(*s, generator=g, dtype=torch.float64) for s in ((USERS, HIDDEN), (ITEMS, HIDDEN), (ITEMS,))]


def test_plain_is_the_dense_formula(rows, layer):
    hidden, weight, bias = layer
    logits = hidden @ weight.T + bias
    expected = -(rows.dense(torch.float64) * torch.log_softmax(logits, 1)).sum(1)
    torch.testing.assert_close(multinomial_nll(logits, rows), expected)


def test_fused_equals_plain_in_value_and_gradient(rows, layer):
    weights = torch.linspace(0.5, 2, USERS, dtype=torch.float64)  # so that each user's gradient counts differently
    gradients = []
    for fused in (False, True):
        hidden, weight, bias = (t.clone().requires_grad_() for t in layer)
        if fused:
            nll = fused_multinomial_nll(hidden, weight, bias, rows)
        else:
            nll = multinomial_nll(hidden @ weight.T + bias, rows)
        (nll * weights).sum().backward()
        gradients.append((nll, hidden.grad, weight.grad, bias.grad))
    for plain, fused in zip(*gradients, strict=True):
        torch.testing.assert_close(fused, plain)


def test_fused_gradient_is_the_slope(rows, layer):
    # gradcheck would walk each graph more than once; this asks the same of random directions
    weights = torch.linspace(0.5, 2, USERS, dtype=torch.float64)
    torch.manual_seed(0)
    for which in range(3):
        direction = torch.randn_like(layer[which])

        def moved(step, which=which, direction=direction):
            inputs = [t + step * direction if k == which else t for k, t in enumerate(layer)]
            return (fused_multinomial_nll(*inputs, rows) * weights).sum()

        step = torch.zeros((), dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(moved(step), step)
        torch.testing.assert_close(slope, (moved(1e-5) - moved(-1e-5)) / 2e-5, rtol=1e-7, atol=1e-7)


def test_fused_refuses_a_second_backward_pass(rows, layer):
    hidden = layer[0].clone().requires_grad_()
    nll = fused_multinomial_nll(hidden, *layer[1:], rows).sum()
    nll.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        nll.backward()


def test_fused_reads_many_rows_in_parts(layer):
    many = 3 * ROWS_AT_ONCE + 1
    rows = InteractionRows(torch.arange(many) % ITEMS, torch.arange(many), None, ITEMS)
    hidden = torch.randn(many, layer[0].shape[1], dtype=torch.float64)
    plain = multinomial_nll(hidden @ layer[1].T + layer[2], rows)
    torch.testing.assert_close(fused_multinomial_nll(hidden, *layer[1:], rows), plain)


def test_fused_in_bfloat16_is_close_and_gives_float32(rows, layer):
    inputs = [t.float().requires_grad_() for t in layer]
    exact = multinomial_nll(inputs[0] @ inputs[1].T + inputs[2], rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nll = fused_multinomial_nll(*inputs, rows)
    assert nll.dtype == torch.float32
    torch.testing.assert_close(nll, exact, rtol=0.03, atol=0.03)
    slopes = torch.autograd.grad(exact.sum(), inputs)
    nll.sum().backward()
    assert all(t.grad.dtype == torch.float32 for t in inputs)
    for tensor, slope in zip(inputs, slopes, strict=True):
        torch.testing.assert_close(tensor.grad, slope, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("bf16", [False, True])
def test_fused_survives_logits_far_apart(rows, bf16):
    hidden = torch.full((USERS, 1), 300.0, requires_grad=True)
    weight = torch.linspace(-1, 1, ITEMS).unsqueeze(1)
    logits = hidden @ weight.T
    plain = multinomial_nll(logits, rows)
    assert (torch.softmax(logits, 1)[rows.row_index, rows.items] == 0).any()  # in float32, so in bfloat16
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        nll = fused_multinomial_nll(hidden, weight, torch.zeros(ITEMS), rows)
    torch.testing.assert_close(nll, plain, **(dict(rtol=0.01, atol=0.1) if bf16 else {}))
    nll.sum().backward()
    assert hidden.grad.isfinite().all()


def test_shapes_that_disagree_are_named(rows):
    with pytest.raises(ValueError, match=r"\(7, 39\).*\(7, 40\)"):
        multinomial_nll(torch.zeros(7, 39), rows)


def test_rows_take_the_users_asked_for_in_their_order():
    matrix = sp.csr_matrix(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1]], dtype=np.float32))
    batch = user_batch(matrix, np.array([2, 1, 0]))
    assert batch.rows.dense().tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 1]]
    assert batch.rows.counts.tolist() == [2, 0, 2]
    assert [len(b) for b in user_batches(matrix, 2)] == [2, 1]


def test_dropout_keeps_the_expectation_and_repeats_with_its_generator(rows):
    kept = torch.stack([rows.dropout(0.3, torch.Generator().manual_seed(s)).values for s in range(3000)])
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert (kept.mean(0) - 1).abs().max() < 4.5 * kept.std() / 3000**0.5
    again = rows.dropout(0.3, torch.Generator().manual_seed(5)).values
    assert torch.equal(again, kept[5])


def test_interaction_linear_equals_a_dense_layer_with_its_gradient(rows):
    dropped = rows.dropout(0.4, torch.Generator().manual_seed(0))
    layer = InteractionLinear(ITEMS, 6)
    dense = dropped.dense() @ layer.weight + layer.bias
    torch.testing.assert_close(layer(dropped), dense)
    (expected,) = torch.autograd.grad(dense.square().sum(), layer.weight)
    (sparse,) = torch.autograd.grad(layer(dropped).square().sum(), layer.weight)
    torch.testing.assert_close(sparse, expected)
