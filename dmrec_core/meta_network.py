"""The probabilistic meta-network: from texts' vectors to a distribution over tastes (Eq. 6, 7)."""

from __future__ import annotations

from torch import Tensor, nn

from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.interactions import InteractionRows, UserBatch


def base_network(rows: InteractionRows, item_vectors: Tensor, user_vectors: Tensor) -> Tensor:
    r"""What the language space knows of a user: the sum of their items' vectors, plus their own as a bias.

    Eq. 7.  $g(x_u, w_u, \{w_i\}) = W_{\mathcal I}^\top x_u + w_u$

    Args:
        rows: the interactions $x_u$ (dropped out while training, as published), B rows.
        item_vectors: $W_{\mathcal I}$, `(n_items, d_s)`.
        user_vectors: $w_u$, `(B, d_s)`.

    Returns:
        `(B, d_s)`. A sum, not a mean: its length grows with the user's number of items.

    Source: Eq. 7; no parameters.
    """
    return rows.sum_of(item_vectors) + user_vectors


class MetaNetwork(nn.Module):
    r"""Two fully connected layers with a tanh between them, from `(B, d_s)` to a Gaussian over `(B, d)`.

    Eq. 6.  $\mathcal N(\mu_\varphi, \Sigma_\varphi) = f_\varphi\big(g(x_u, w_u, \{w_i\})\big)$,
    $f_\varphi:\mathbb R^{d_s}\to\mathbb R^{2d}$

    The vectors are frozen: buffers, not parameters, and not part of the saved weights.

    Args:
        user_vectors: `(n_users, d_s)`.
        item_vectors: `(n_items, d_s)`.
        latent: d, the width of the backbone's latent space.
        hidden: width of the hidden layer.
        aggregate: False gives the ablation "w/o PMN": the same two layers on $w_u$ alone, without Eq. 7.

    Source: Eq. 6; sizes from the published code.
    """

    def __init__(
        self, user_vectors: Tensor, item_vectors: Tensor, latent: int = 200, hidden: int = 600, aggregate: bool = True
    ) -> None:
        super().__init__()
        if user_vectors.shape[1] != item_vectors.shape[1]:
            raise ValueError(
                "user and item vectors must have one width d_s; "
                f"got {tuple(user_vectors.shape)} and {tuple(item_vectors.shape)}"
            )
        self.register_buffer("user_vectors", user_vectors, persistent=False)
        self.register_buffer("item_vectors", item_vectors, persistent=False)
        self.aggregate = aggregate
        self.layers = nn.Sequential(nn.Linear(item_vectors.shape[1], hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))

    def forward(self, batch: UserBatch) -> DiagonalGaussian:
        r"""The language distribution $p_\varphi(z_u|s_u)$ of each user of the batch, `(B, d)`."""
        own = self.user_vectors.index_select(0, batch.users)
        inputs = base_network(batch.inputs, self.item_vectors, own) if self.aggregate else own
        return DiagonalGaussian.from_heads(self.layers(inputs))
