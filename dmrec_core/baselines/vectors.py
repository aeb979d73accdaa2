"""How a baseline holds semantic vectors: frozen, and out of its saved weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dmrec_core.interactions import suits_a_gpu

ROWS = 1024  # of a wide hidden layer at a time on a CPU: they stay in its cache, and no large memory is asked for


def keep_vectors(module: nn.Module, user_vectors: Tensor, item_vectors: Tensor, shape: tuple[int, int]) -> int:
    """Register `user_vectors` and `item_vectors` as buffers of `module`; returns their width d_s.

    Args:
        module: who keeps them.
        user_vectors: `(n_users, d_s)`.
        item_vectors: `(n_items, d_s)`.
        shape: `(n_users, n_items)`.

    Raises:
        ValueError: the shapes do not fit the interactions or each other.
    """
    expected = (shape[0], item_vectors.shape[1]), (shape[1], user_vectors.shape[1])
    if (tuple(user_vectors.shape), tuple(item_vectors.shape)) != expected:
        raise ValueError(
            f"for {shape[0]} users and {shape[1]} items, user vectors must be ({shape[0]}, d_s) and item vectors "
            f"({shape[1]}, d_s); got {tuple(user_vectors.shape)} and {tuple(item_vectors.shape)}"
        )
    module.register_buffer("user_vectors", user_vectors, persistent=False)
    module.register_buffer("item_vectors", item_vectors, persistent=False)
    return item_vectors.shape[1]


def projector(d_in: int, hidden: int, d_out: int) -> nn.Sequential:
    """Linear, leaky ReLU, linear, with Xavier-uniform weights: how RLMRec moves between text and taste."""
    layers = nn.Sequential(nn.Linear(d_in, hidden), nn.LeakyReLU(inplace=True), nn.Linear(hidden, d_out))
    for layer in (layers[0], layers[2]):
        nn.init.xavier_uniform_(layer.weight)
    return layers


def by_rows(layers: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`layers(x)` for layers that treat each row by itself, in pieces that suit the processor."""
    if suits_a_gpu(x) or len(x) <= ROWS:
        return layers(x)
    return torch.cat([layers(part) for part in x.split(ROWS)])
