"""The multinomial likelihood of a user's items: a plain version and a fused one with the same value (Eq. 2, 18)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dmrec_core.interactions import InteractionRows, suits_a_gpu

ROWS_AT_ONCE = 64  # rows of logits a CPU turns into probabilities together: 2 MB in float32 at 9,000 items


def multinomial_nll(logits: Tensor, rows: InteractionRows) -> Tensor:
    r"""Negative multinomial log-likelihood of each user's items.

    Eq. 18, negated.  $L_{rec}(u) = -\sum_i x_{ui}\log\mathrm{softmax}(f_\theta(z_u))_i$

    Args:
        logits: the decoder's output $f_\theta(z_u)$, `(B, n_items)`.
        rows: the interactions $x_u$ to be reconstructed, B rows.

    Returns:
        One number per user, `(B,)`, in nats; not divided by the number of items.

    Raises:
        ValueError: batch or item counts disagree.

    Example:
        >>> rows = InteractionRows(torch.tensor([0, 1]), torch.tensor([0]), None, 4)
        >>> multinomial_nll(torch.zeros(1, 4), rows)   # 2 log 4
        tensor([2.7726])

    Source: Eq. 18 (its printed sign must be turned to make a loss); the first term of Eq. 2.
    """
    if tuple(logits.shape) != (len(rows), rows.n_items):
        raise ValueError(f"logits are {tuple(logits.shape)} but the rows need {(len(rows), rows.n_items)}")
    log_probability = torch.log_softmax(logits, dim=-1)
    row = rows.row_index
    taken = log_probability[row, rows.items]
    if rows.values is not None:
        taken = taken * rows.values.to(taken.dtype)
    return -logits.new_zeros(len(rows)).index_add(0, row, taken)


def fused_multinomial_nll(hidden: Tensor, weight: Tensor, bias: Tensor, rows: InteractionRows) -> Tensor:
    r"""`multinomial_nll(hidden @ weight.T + bias, rows)`, with the decoder's last layer inside.

    The gradient with respect to the logits is $|x_u|\,\mathrm{softmax}(\cdot) - x_u$, so one `(B, n_items)` buffer of
    probabilities serves both directions and no dense copy of $x_u$ is made. Under `torch.autocast` the three matrix
    products run in its dtype. The backward pass overwrites that buffer: it can run once, and a second one (after
    `retain_graph=True`) is an error.

    Args:
        hidden: the decoder's last hidden layer, `(B, h)`.
        weight: `(n_items, h)`.
        bias: `(n_items,)`.
        rows: the binary interactions to be reconstructed, B rows.

    Returns:
        One number per user, `(B,)`, in nats.

    Source: the value of Eq. 18; the backward pass is the derivative of log-softmax, written out.
    """
    if rows.values is not None:
        raise ValueError("the fused likelihood expects binary rows; use multinomial_nll for weighted ones")
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    return _FusedMultinomialNLL.apply(hidden, weight, bias, rows.items, rows.row_index, rows.counts, dtype)


class _FusedMultinomialNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, items, row, counts, dtype):
        wide = torch.promote_types(dtype, torch.float32)  # sums and logs are never taken in bfloat16
        with torch.autocast(hidden.device.type, enabled=False):
            narrow_hidden, narrow_weight = hidden.to(dtype), weight.to(dtype)
            logits = torch.addmm(bias.to(dtype), narrow_hidden, narrow_weight.T)
            # A few rows at a time stay in the processor's cache, and their probabilities take their logits' place.
            for part in logits.split(max(1, len(logits)) if suits_a_gpu(logits) else ROWS_AT_ONCE):
                part.copy_(torch.softmax(part, dim=1))
            probability, counts = logits, counts.to(wide)
            log_probability = probability[row, items].to(wide).log()
            lost = log_probability.isinf()
            if lost.any():  # items too unlikely for a number above 0: their rows once more, in logs
                users, place = row[lost].unique(return_inverse=True)
                logits = torch.addmm(bias.to(dtype), narrow_hidden[users], narrow_weight.T)
                log_probability[lost] = torch.log_softmax(logits, dim=1, dtype=wide)[place, items[lost]]
            nll = -torch.zeros_like(counts).index_add_(0, row, log_probability)
        ctx.save_for_backward(narrow_hidden, narrow_weight, probability, items, row, counts)
        ctx.dtypes = hidden.dtype, weight.dtype, bias.dtype
        return nll

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        hidden, weight, probability, items, row, counts = ctx.saved_tensors
        hidden_dtype, weight_dtype, bias_dtype = ctx.dtypes
        with torch.autocast(hidden.device.type, enabled=False):
            # d nll / d logits = |x| softmax - x                                    (B, n_items)
            d_logits = probability.mul_((counts * grad).to(probability.dtype).unsqueeze(1))
            d_logits.index_put_((row, items), -grad.to(probability.dtype)[row], accumulate=True)
            d_hidden = (d_logits @ weight).to(hidden_dtype)
            if hidden.dtype == hidden_dtype:
                d_weight, d_bias = d_logits.T @ hidden, (d_logits.new_ones(1, len(d_logits)) @ d_logits).squeeze(0)
            else:  # a column of ones brings the bias's gradient along; 8 of them keep the rows aligned
                both = d_logits.T @ F.pad(hidden, (0, 8), value=1)
                d_weight, d_bias = both[:, :-8].to(weight_dtype), both[:, -8].to(bias_dtype)
        return d_hidden, d_weight, d_bias, None, None, None, None
