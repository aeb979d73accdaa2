r"""The multinomial likelihood where a table of all users' logits does not fit: exactly, in blocks of items; or sampled.

Both have the value of `dmrec_core.likelihood.multinomial_nll`, the second one in expectation up to a bias that shrinks
with the number of draws. Beside the decoder's weights, the memory of neither grows with the number of items.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dmrec_core.interactions import InteractionRows


def blocked_multinomial_nll(
    hidden: Tensor, weight: Tensor, bias: Tensor, rows: InteractionRows, items_at_once: int
) -> Tensor:
    r"""`fused_multinomial_nll` with `(B, items_at_once)` numbers at a time: exact, for one matrix product more.

    $\log\sum_i e^{l_i}$ grows block by block, as $\log(e^a + e^b)$ of what is there and what comes; the backward pass
    computes the logits of each block again, and from them and the whole sum its probabilities.

    Args:
        hidden: the decoder's last hidden layer, `(B, h)`.
        weight: `(n_items, h)`.
        bias: `(n_items,)`.
        rows: the binary interactions to be reconstructed, B rows.
        items_at_once: of a block.

    Returns:
        One number per user, `(B,)`, in nats.

    Raises:
        ValueError: no block, or weighted rows.

    Source: Eq. 18's value; the streaming sum is the one of online softmax (Milakov and Gimelshein 2018).
    """
    if items_at_once < 1:
        raise ValueError(f"items_at_once must be 1 or more; got {items_at_once}")
    _check_binary(rows)
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    return _BlockedMultinomialNLL.apply(hidden, weight, bias, rows, items_at_once, dtype)


def sampled_multinomial_nll(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    rows: InteractionRows,
    draws: int,
    proposal: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    r"""An estimate from some drawn items, the same for all users of the batch.

    $\hat Z_u = \sum_{i\in x_u} e^{l_{ui}} + \frac1S\sum_{s=1}^{S} [s\notin x_u]\,\frac{e^{l_{us}}}{\pi_s}$ is the
    softmax's denominator in expectation. Its logarithm is not: by Jensen it is too small, by
    $\mathrm{Var}(\hat Z_u)/2Z_u^2$ to first order, which falls as $1/S$.

    Args:
        hidden: the decoder's last hidden layer, `(B, h)`.
        weight: `(n_items, h)`.
        bias: `(n_items,)`.
        rows: the binary interactions to be reconstructed, B rows.
        draws: S, with replacement.
        proposal: $\pi$, `(n_items,)`, above 0, with sum 1; None is uniform. The nearer to the softmax, the smaller the
            bias. In float64, or rare items of a large catalogue are not drawn as often as it says.
        generator: of the draws.

    Returns:
        One number per user, `(B,)`, in nats.

    Raises:
        ValueError: no draw, weighted rows, or a proposal of another length.

    Source: importance sampling of the softmax (Bengio and Senécal 2003), a user's own items exactly.
    """
    if draws < 1:
        raise ValueError(f"draws must be 1 or more; got {draws}")
    _check_binary(rows)
    n_items, device = rows.n_items, hidden.device
    if proposal is None:
        drawn = torch.randint(n_items, (draws,), generator=generator, device=device).sort().values
        log_proposal = -math.log(n_items)
    else:
        if len(proposal) != n_items:
            raise ValueError(f"the proposal is of {len(proposal)} items, the rows are of {n_items}")
        reached = proposal.cumsum(0)  # torch.multinomial would stop at 2^24 items
        points = torch.rand(draws, generator=generator, device=device, dtype=proposal.dtype).sort().values
        drawn = torch.searchsorted(reached, points * reached[-1], right=True).clamp(max=n_items - 1)
        log_proposal = proposal[drawn].log().to(hidden.dtype)
    row = rows.row_index
    others = torch.addmm(bias[drawn], hidden, weight[drawn].T)  # (B, S)
    others = (others - log_proposal).masked_fill(_own(drawn, rows, row), -torch.inf)
    others = others.logsumexp(1) - math.log(draws)
    own = (hidden[row] * weight[rows.items]).sum(1) + bias[rows.items]  # (nnz,)
    top = others.detach().scatter_reduce(0, row, own.detach(), "amax")  # so that no exponential overflows
    total = (others - top).exp().index_add(0, row, (own - top[row]).exp())
    return rows.counts * (total.log() + top) - torch.zeros_like(others).index_add(0, row, own)


def _check_binary(rows: InteractionRows) -> None:
    if rows.values is not None:
        raise ValueError("this likelihood expects binary rows; use multinomial_nll for weighted ones")


def _own(drawn: Tensor, rows: InteractionRows, row: Tensor) -> Tensor:
    """Where a draw is one of the user's own items, `(B, S)`; `drawn` ascends and may repeat an item."""
    own = torch.zeros(len(rows), len(drawn), dtype=torch.bool, device=drawn.device)
    first, end = torch.searchsorted(drawn, rows.items), torch.searchsorted(drawn, rows.items, right=True)
    for again in range(int((end - first).max()) if len(row) else 0):
        there = first + again < end
        own[row[there], (first + again)[there]] = True
    return own


class _BlockedMultinomialNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, rows, items_at_once, dtype):
        wide = torch.promote_types(dtype, torch.float32)  # sums and logs are never taken in bfloat16
        log_z = torch.full((len(hidden),), -torch.inf, dtype=wide, device=hidden.device)
        taken = torch.zeros_like(log_z)
        with torch.autocast(hidden.device.type, enabled=False):
            for logits, _, row, column in _blocks(hidden.to(dtype), weight, bias, rows, items_at_once):
                log_z = torch.logaddexp(log_z, logits.to(wide).logsumexp(1))
                taken.index_add_(0, row, logits[row, column].to(wide))
        ctx.save_for_backward(hidden, weight, bias, log_z)
        ctx.rest = rows, items_at_once, dtype
        return rows.counts.to(wide) * log_z - taken

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        hidden, weight, bias, log_z = ctx.saved_tensors
        rows, items_at_once, dtype = ctx.rest
        narrow, scale = hidden.to(dtype), (rows.counts.to(log_z.dtype) * grad).unsqueeze(1)
        d_hidden = torch.zeros_like(hidden, dtype=log_z.dtype)
        d_weight, d_bias = torch.empty_like(weight), torch.empty_like(bias)
        with torch.autocast(hidden.device.type, enabled=False):
            for logits, block, row, column in _blocks(narrow, weight, bias, rows, items_at_once):
                # d nll / d logits = |x| softmax - x                                (B, items_at_once)
                d_logits = (logits.to(log_z.dtype) - log_z.unsqueeze(1)).exp_().mul_(scale)
                d_logits.index_put_((row, column), -grad.to(log_z.dtype)[row], accumulate=True)
                d_bias[block] = d_logits.sum(0).to(bias.dtype)
                d_logits = d_logits.to(dtype)
                d_hidden += d_logits @ weight[block].to(dtype)
                d_weight[block] = (d_logits.T @ narrow).to(weight.dtype)
        return d_hidden.to(hidden.dtype), d_weight, d_bias, None, None, None


def _blocks(
    hidden: Tensor, weight: Tensor, bias: Tensor, rows: InteractionRows, items_at_once: int
) -> Iterator[tuple[Tensor, slice, Tensor, Tensor]]:
    """Each block's logits, its place among the items, and the interactions in it, as rows and columns of the logits."""
    items, order = rows.items.sort()
    row = rows.row_index[order]
    starts = range(0, rows.n_items, items_at_once)
    ends = torch.searchsorted(items, torch.tensor([*starts, rows.n_items], device=items.device)).tolist()
    for start, (first, end) in zip(starts, pairwise(ends), strict=True):
        block = slice(start, min(start + items_at_once, rows.n_items))
        logits = torch.addmm(bias[block].to(hidden.dtype), hidden, weight[block].to(hidden.dtype).T)
        yield logits, block, row[first:end], items[first:end] - start
