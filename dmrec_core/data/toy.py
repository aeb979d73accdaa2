r"""The embedded default: a small world whose tastes are known, made in memory in a fraction of a second.

Every user u has a taste t_u and every item i a theme mixture m_i, both on the simplex over K themes, and every item
a popularity p_i. User u draws items without replacement with probability proportional to

$$ p_i \, \exp(\alpha\, t_u^\top m_i). $$

An item's title and text are written from m_i, so text tells what a short history cannot: **sparse users gain from text
by construction**, and so do tail items, which training hardly shows. A gain on `toy` shows that code works, not that
a method does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from dmrec_core.data.dataset import Profiles, RecDataset
from dmrec_core.data.split import split_per_user
from dmrec_core.data.toy_words import ADJECTIVES, KINDS, TEMPLATES, THEMES

AFFINITY = 8.0  # alpha: how much taste outweighs chance
POPULARITY_EXPONENT = 0.6  # p_i is proportional to rank ** -0.6: a skewed head, a long tail
HISTORY_BANDS = ((0.75, 3, 7), (0.20, 8, 25), (0.05, 30, 80))  # share of users, fewest and most interactions
SLOTS = 12  # theme words in a text


@dataclass(frozen=True, eq=False)
class ToyTruth:
    """What the generator knows and a model must find out."""

    user_taste: np.ndarray  # (U, K) rows sum to 1
    item_theme: np.ndarray  # (I, K) rows sum to 1
    popularity: np.ndarray  # (I,) sums to 1
    themes: tuple[str, ...]  # K names

    def logits(self) -> np.ndarray:
        """(U, I) log of the drawing weights: the best ranking anyone could give without seeing the draws."""
        return AFFINITY * self.user_taste @ self.item_theme.T + np.log(self.popularity)


def toy_dataset(n_users: int = 600, n_items: int = 300, noise: float = 0.2, seed: int = 2024) -> RecDataset:
    """The toy world as a data set, with titles and item texts; user texts and vectors are left to the language room.

    Args:
        n_users, n_items: sizes; at least 2 users and 20 items.
        noise: share of theme words in titles and texts replaced by words of random themes, in [0, 1]; at 1 the text
            says nothing. Interactions do not depend on it.
        seed: the same seed gives the same data everywhere (numpy's PCG64).

    Raises:
        ValueError: an argument outside its range.

    Example:
        >>> data = toy_dataset()
        >>> data.n_users, data.n_items, data.titles[0]
        (600, 300, 'Corner Tents')
    """
    if n_users < 2 or n_items < 20:
        raise ValueError(f"toy needs at least 2 users and 20 items, got {n_users} users and {n_items} items")
    if not 0 <= noise <= 1:
        raise ValueError(f"noise is a share in [0, 1], got {noise}")
    truth = toy_ground_truth(n_users, n_items, noise, seed)
    train, valid, test = _draw_interactions(truth, np.random.default_rng([seed, 1]))
    titles, texts = _write_texts(truth.item_theme, noise, np.random.default_rng([seed, 2]))
    return RecDataset(
        name="toy",
        n_users=n_users,
        n_items=n_items,
        train=train,
        valid=valid,
        test=test,
        titles=titles,
        profiles=Profiles(item=texts, user=None, source="toy generator"),
        source={"made by": "dmrec_core.data.toy", "seed": seed, "noise": noise},
    )


def toy_ground_truth(n_users: int = 600, n_items: int = 300, noise: float = 0.2, seed: int = 2024) -> ToyTruth:
    """The latent tastes behind `toy_dataset(...)` called with the same arguments (`noise` changes nothing here)."""
    rng = np.random.default_rng([seed, 0])
    ranks = 1.0 + rng.permutation(n_items)
    popularity = ranks**-POPULARITY_EXPONENT
    return ToyTruth(
        user_taste=rng.dirichlet(np.full(len(THEMES), 0.15), size=n_users),
        item_theme=rng.dirichlet(np.full(len(THEMES), 0.10), size=n_items),
        popularity=popularity / popularity.sum(),
        themes=tuple(THEMES),
    )


def _draw_interactions(truth: ToyTruth, rng: np.random.Generator) -> list[sparse.csr_matrix]:
    n_users, n_items = len(truth.user_taste), len(truth.item_theme)
    shares, fewest, most = (np.array(column) for column in zip(*HISTORY_BANDS, strict=True))
    band = rng.choice(len(shares), size=n_users, p=shares)
    lengths = np.minimum(rng.integers(fewest[band], most[band] + 1), n_items // 3)

    # Gumbel noise on the logits, then the largest n: sampling n items without replacement. (U, I)
    order = np.argsort(-(truth.logits() + rng.gumbel(size=(n_users, n_items))), axis=1)
    drawn = np.zeros((n_users, n_items), dtype=bool)
    np.put_along_axis(drawn, order, np.arange(n_items) < lengths[:, None], axis=1)
    train, valid, test = (part.toarray() > 0 for part in split_per_user(sparse.csr_matrix(drawn), rng))

    for item in np.flatnonzero(~train.any(axis=0)):  # an item never trained on goes to the keenest user without it
        keenness = np.where(drawn[:, item], -1.0, truth.user_taste @ truth.item_theme[item])
        train[keenness.argmax(), item] = True
    return [sparse.csr_matrix(part, dtype=np.float32) for part in (train, valid, test)]


def _write_texts(item_theme: np.ndarray, noise: float, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    vocabulary = list(THEMES.values())
    titles: list[str] = []
    texts: list[str] = []
    for mixture in item_theme:
        themes = rng.choice(len(vocabulary), size=1 + SLOTS, p=mixture)  # one word for the title, twelve for the text
        replaced = rng.random(1 + SLOTS) < noise
        themes = np.where(replaced, rng.integers(len(vocabulary), size=1 + SLOTS), themes)
        decks = [list(rng.permutation(words)) for words in vocabulary]  # dealt from, so no word comes twice
        headword, *words = (str(decks[theme].pop()) for theme in themes)
        kind = KINDS[rng.integers(len(KINDS))]
        title = f"{ADJECTIVES[rng.integers(len(ADJECTIVES))]} {headword.title()}"
        titles.append(_unused(title, titles))
        texts.append(TEMPLATES[rng.integers(len(TEMPLATES))].format(*words, kind=kind))
    return titles, texts


def _unused(title: str, taken: list[str]) -> str:
    numbered, copy = title, 2
    while numbered in taken:
        numbered, copy = f"{title} {copy}", copy + 1
    return numbered
