"""Losses that compare: a chosen item with others, an embedding with a text (the baselines' BPR, InfoNCE, softmax)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor


def bpr(positive: Tensor, negative: Tensor) -> Tensor:
    r"""Bayesian personalised ranking: a chosen item should score above another.

    $L_{BPR} = -\log\sigma(y_{u+}-y_{u-}) = \mathrm{softplus}(y_{u-}-y_{u+})$

    Args:
        positive: scores of chosen items, `(B,)`.
        negative: scores of the others, `(B,)`.

    Returns:
        One number per pair, `(B,)`, in nats; log 2 where both score the same.

    Example:
        >>> bpr(torch.tensor([1.0]), torch.tensor([1.0]))
        tensor([0.6931])

    Source: Rendle et al. 2009.
    """
    return F.softplus(negative - positive)


def info_nce(anchor: Tensor, target: Tensor, candidates: Tensor, temperature: float) -> Tensor:
    r"""InfoNCE with cosine similarity: an anchor should be nearer its target than the other candidates are.

    $\ell(e,t) = -\cos(e,t)/\tau + \log\sum_{t'\in\mathcal T}\exp(\cos(e,t')/\tau)$

    Args:
        anchor: e, `(B, d)`.
        target: t, `(B, d)`; the sum should run over it too.
        candidates: $\mathcal T$, `(K, d)`.
        temperature: $\tau$, > 0.

    Returns:
        One number per anchor, `(B,)`, in nats.

    Example:
        >>> e = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
        >>> info_nce(e, e, e, temperature=1.0)          # log(1 + 1/e)
        tensor([0.3133, 0.3133])

    Source: van den Oord et al. 2018, as RLMRec uses it.
    """
    _positive("temperature", temperature)
    anchor, target, candidates = (F.normalize(x, dim=-1) for x in (anchor, target, candidates))
    similarity = (anchor @ candidates.T).to(anchor.dtype)  # under autocast the product alone is in bfloat16
    return torch.logsumexp(similarity / temperature, dim=1) - (anchor * target).sum(-1) / temperature


def sampled_softmax(positive: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    r"""Softmax over a chosen item and sampled others.

    $L = -\log\frac{e^{s_+/\tau}}{e^{s_+/\tau}+\sum_k e^{s_{-,k}/\tau}}$

    Args:
        positive: scores of chosen items, `(B,)`.
        negatives: scores of sampled items, `(B, k)`.
        temperature: $\tau$, > 0.

    Returns:
        One number per pair, `(B,)`, in nats.

    Example:
        >>> sampled_softmax(torch.zeros(1), torch.zeros(1, 3), temperature=0.2)     # log 4
        tensor([1.3863])

    Source: Wu et al. 2022; AlphaRec's loss.
    """
    _positive("temperature", temperature)
    everything = torch.cat([positive.unsqueeze(1), negatives], dim=1) / temperature
    return torch.logsumexp(everything, dim=1) - positive / temperature


def scaled_cosine_error(x: Tensor, y: Tensor, alpha: float = 2.0) -> Tensor:
    r"""Reconstruction error of a vector's direction, $(1-\cos(x, y))^\alpha$.

    Args:
        x, y: `(B, d)`.
        alpha: above 1, small errors count less.

    Returns:
        One number per row, `(B,)`, in [0, 2^alpha].

    Source: GraphMAE (Hou et al. 2022), as LLMRec uses it.
    """
    return (1 - F.cosine_similarity(x, y, dim=-1)).clamp(min=0).pow(alpha)


def squared_norm(parameters: Iterable[Tensor]) -> Tensor:
    r"""$\sum_W\|W\|_2^2$ over all given parameters, a scalar."""
    return sum(parameter.square().sum() for parameter in parameters)


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be a number > 0; got {value}")
