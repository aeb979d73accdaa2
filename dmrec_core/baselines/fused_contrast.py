"""InfoNCE without its similarity matrix: tiles that stay in the processor's cache, and repeated rows computed once."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dmrec_core.baselines.contrast import info_nce
from dmrec_core.interactions import suits_a_gpu

TILE = (256, 1024)  # rows, columns: one MiB in float32, half a core's second-level cache
GPU_TILE = (2048, 65536)  # half a GiB: all at once, but for the largest data sets
STEEPEST = 60.0  # largest 1 / temperature whose exponentials, at most e^60 each, can be summed in float32 as they are
WIDE = 128  # vectors wider than this are dearer to multiply again than their exponentials are to keep


def fused_info_nce(
    anchor: Tensor, target: Tensor, candidates: Tensor, temperature: float, counts: Tensor | None = None
) -> Tensor:
    r"""`info_nce` with the same value and gradients, for many anchors and candidates.

    $\ell(e,t) = -\cos(e,t)/\tau + \log\sum_k c_k\exp(\cos(e,t_k)/\tau)$

    Both passes go through the exponentials tile by tile. For narrow vectors the backward pass computes them again,
    which costs less than writing them to memory and reading them back; for wide ones they are kept, once. Cosines are
    bounded, so no maximum has to be found first. Under `torch.autocast` the matrix products run in its dtype.

    Args:
        anchor: e, `(B, d)`.
        target: t, `(B, d)`.
        candidates: $t_k$, `(K, d)`.
        temperature: $\tau$, > 0; below 1/60, where $e^{1/\tau}$ may overflow, the plain formula runs.
        counts: $c_k$, how often each candidate stands in the sum, `(K,)`; once each if None.

    Returns:
        One number per anchor, `(B,)`, in nats.

    Raises:
        ValueError: the temperature is not positive, or shapes disagree.

    Example:
        >>> e = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> fused_info_nce(e, e, e, temperature=1.0)                                    # as `info_nce`
        tensor([0.3133, 0.3133])
        >>> fused_info_nce(e[:1], e[:1], e, 1.0, counts=torch.tensor([1, 3]))           # log(1 + 3/e)
        tensor([0.7437])

    Source: the value of `info_nce`; the backward pass is the derivative of log-sum-exp, written out.
    """
    if anchor.shape != target.shape or anchor.shape[1:] != candidates.shape[1:]:
        raise ValueError(
            "anchor and target must be (B, d) and candidates (K, d); "
            f"got {tuple(anchor.shape)}, {tuple(target.shape)} and {tuple(candidates.shape)}"
        )
    if counts is not None and counts.shape != candidates.shape[:1]:
        raise ValueError(f"counts must be one per candidate, ({len(candidates)},); got {tuple(counts.shape)}")
    if not 1 / STEEPEST <= temperature:
        repeated = candidates if counts is None else candidates.repeat_interleave(counts, dim=0)
        return info_nce(anchor, target, repeated, temperature)
    wide = torch.promote_types(anchor.dtype, torch.float32)  # a layer under autocast hands over bfloat16
    anchor, target, candidates = (F.normalize(x.to(wide), dim=-1) for x in (anchor, target, candidates))
    anchor = anchor / temperature
    counts = candidates.new_ones(len(candidates)) if counts is None else counts.to(candidates.dtype)
    kind = anchor.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else wide
    return _LogSumExp.apply(anchor, candidates, counts, dtype) - (anchor * target).sum(-1)


def products_at(a: Tensor, t: Tensor, columns: Tensor) -> Tensor:
    r"""Dot products of each row with some rows of a table, $p_{bj} = a_b^\top t_{c_{bj}}$.

    All products of a few rows are computed and the wanted ones picked: cheaper than gathering k
    vectors a row, unless the table is far longer than k. No `(B, K)` matrix is made.

    Args:
        a: `(B, d)`.
        t: the table, `(K, d)`.
        columns: c, rows of the table, `(B, k)` int64.

    Returns:
        `(B, k)`, in float32 under `torch.autocast` too, whose dtype the matrix products run in.

    Example:
        >>> products_at(torch.eye(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0, 1], [1, 1]]))
        tensor([[1., 3.],
                [4., 4.]])
    """
    kind = a.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else a.dtype
    return _ProductsAt.apply(a, t, columns, dtype)


def distinct(ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The different ids, ascending `(n,)`; the place of each id among them, `(B,)`; how often each occurs, `(n,)`.

    Example:
        >>> distinct(torch.tensor([5, 2, 5]))
        (tensor([2, 5]), tensor([1, 0, 1]), tensor([1, 2]))
    """
    return torch.unique(ids, return_inverse=True, return_counts=True)


class _LogSumExp(torch.autograd.Function):
    """log sum_k c_k exp(a_b . t_k), for products small enough to exponentiate: `(B, d), (K, d), (K,) -> (B,)`."""

    @staticmethod
    def forward(ctx, a, t, counts, dtype):
        keep = a.shape[1] > WIDE
        kept = []
        with torch.autocast(a.device.type, enabled=False):
            sums = a.new_zeros(len(a))
            for rows, columns, exponentials in _tiles(a.to(dtype), t.to(dtype), a.dtype, reuse=not keep):
                sums[rows] += exponentials @ counts[columns]
                if keep:
                    kept.append((rows, columns, exponentials))
        ctx.save_for_backward(a, t, counts, sums)
        ctx.dtype, ctx.kept = dtype, kept
        return sums.log()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        a, t, counts, sums = ctx.saved_tensors
        dtype, (needs_a, needs_t) = ctx.dtype, ctx.needs_input_grad[:2]
        with torch.autocast(a.device.type, enabled=False):
            # d lse_b / d (a_b . t_k) = c_k exp(a_b . t_k) / sums_b; what depends on b or k alone goes to the vectors
            share, counts = (grad / sums).unsqueeze(1), counts.unsqueeze(1)
            weighted_a, weighted_t = (a * share).to(dtype), (t * counts).to(dtype)
            d_a = torch.zeros_like(a) if needs_a else None
            d_t = torch.zeros_like(t) if needs_t else None
            for rows, columns, exponentials in ctx.kept or _tiles(a.to(dtype), t.to(dtype), a.dtype):
                exponentials = exponentials.to(dtype)
                if needs_a:
                    _add_product(d_a[rows], exponentials, weighted_t[columns])  # (R, C) (C, d)
                if needs_t:
                    _add_product(d_t[columns], exponentials.T, weighted_a[rows])  # (C, R) (R, d)
            if needs_a:
                d_a *= share
            if needs_t:
                d_t *= counts
        return d_a, d_t, None, None


class _ProductsAt(torch.autograd.Function):
    @staticmethod
    def forward(ctx, a, t, columns, dtype):
        picked = a.new_empty(columns.shape)
        with torch.autocast(a.device.type, enabled=False):
            narrow_a, narrow_t = a.to(dtype), t.to(dtype)
            for rows, tile in _bands(narrow_a, len(t)):
                torch.mm(narrow_a[rows], narrow_t.T, out=tile)
                picked[rows] = tile.gather(1, columns[rows]).to(picked.dtype)
        ctx.save_for_backward(narrow_a, narrow_t, columns)
        ctx.dtypes = a.dtype, t.dtype
        return picked

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        a, t, columns = ctx.saved_tensors
        d_a, d_t = a.new_empty(a.shape, dtype=ctx.dtypes[0]), t.new_zeros(t.shape, dtype=ctx.dtypes[1])
        with torch.autocast(a.device.type, enabled=False):
            for rows, tile in _bands(a, len(t)):
                tile.zero_().scatter_add_(1, columns[rows], grad[rows].to(tile.dtype))  # d / d (a . t)
                d_a[rows] = (tile @ t).to(d_a.dtype)
                _add_product(d_t, tile.T, a[rows])
        return d_a, d_t, None, None


def _bands(a: Tensor, width: int) -> Iterator[tuple[slice, Tensor]]:
    """Slices of a few rows, each with the same piece of memory for its products with `width` others."""
    size = math.prod(GPU_TILE if suits_a_gpu(a) else TILE)
    height = max(16, size // width)
    memory = a.new_empty(min(height, len(a)), width)
    for top in range(0, len(a), height):
        rows = slice(top, min(top + height, len(a)))
        yield rows, memory[: rows.stop - rows.start]


def _tiles(a: Tensor, t: Tensor, wide: torch.dtype, reuse: bool = True) -> Iterator[tuple[slice, slice, Tensor]]:
    """exp(a . t) tile by tile; with `reuse`, each in the same memory as the one before."""
    height, width = GPU_TILE if suits_a_gpu(a) else TILE
    memory = a.new_empty(min(height, len(a)) * min(width, len(t)) if reuse else 0)
    for top in range(0, len(a), height):
        rows = slice(top, min(top + height, len(a)))
        for left in range(0, len(t), width):
            columns = slice(left, min(left + width, len(t)))
            shape = rows.stop - rows.start, columns.stop - columns.start
            tile = memory[: shape[0] * shape[1]].view(shape) if reuse else a.new_empty(shape)
            yield rows, columns, torch.mm(a[rows], t[columns].T, out=tile).to(wide).exp_()


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
