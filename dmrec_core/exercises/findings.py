"""Answers to the exercises of notebooks 06 to 13: figures, ablations, λ, base models, rivals, texts."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from dmrec_core.exercises.judging import Exercise
from dmrec_core.gaussian import DiagonalGaussian
from dmrec_core.matching import STRATEGIES, fuse


def _first_upper_end(sizes: np.ndarray, groups: int) -> int:
    held = 0
    for size in np.unique(sizes):
        held += size * (sizes == size).sum()
        if held >= sizes.sum() / groups:
            break
    return int(size)


def _groups_users(answer: Callable[[np.ndarray, int], int]) -> bool:
    drawn = [np.random.default_rng(seed).geometric(0.2, 60) for seed in range(4)]
    return all(answer(sizes, groups) == _first_upper_end(sizes, groups) for sizes in drawn for groups in (2, 4))


def _counts_collapsed(answer: Callable[[np.ndarray], int]) -> bool:
    means = np.random.default_rng(7).normal(size=(50, 6)) * [0.01, 0.05, 0.2, 1.0, 0.0, 0.09] + 3
    return int(answer(means)) == int((means.var(0) < 0.01).sum())


def _adds_noise(answer: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> bool:
    w, g = np.random.default_rng(7).normal(size=(2, 5))
    for share in (0.0, 0.3, 1.0):
        blend = (1 - share) * w + share * np.linalg.norm(w) * g / np.linalg.norm(g)
        if not np.allclose(answer(w, g, share), blend * np.linalg.norm(w) / np.linalg.norm(blend)):
            return False
    return True


def _blind_to_the_language_mean() -> set[str]:
    """The strategies whose published matching term stays when the language mean is moved."""
    q, p = (DiagonalGaussian(*torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(seed))) for seed in (7, 8))
    moved = DiagonalGaussian(p.mean + 1, p.logvar)
    return {
        name
        for name, strategy in STRATEGIES.items()
        if torch.allclose(*(strategy.terms(q, each, fuse(q, each), 0.5).matching for each in (p, moved)), atol=1e-4)
    }


FINDINGS = {
    "06.1": Exercise(
        3,
        "The share is 12 interactions.",
        "All are 24, so a group's share is 12: $1+1+2+2+3+3 = 12$ fills the first group, whose upper end is 3.",
    ),
    "06.2": Exercise(
        _groups_users,
        "Go through the sizes in ascending order, all users of one size at a time.",
        "In `def answer_2(sizes, groups)`: `ends = np.unique(sizes)`, "
        "`held = np.array([sizes[sizes <= end].sum() for end in ends])`, and "
        "`return ends[held >= sizes.sum() / groups][0]`.",
    ),
    "06.3": Exercise(
        "first",
        "Divide each gain by its base.",
        "$0.010/0.05 = 20\\,\\%$ against $0.012/0.30 = 4\\,\\%$, although the second is larger in absolute terms.",
    ),
    "07.1": Exercise(
        lambda a: abs(a[0] - 0.01) < 1e-9 and a[1] is False,
        "The mean is 0, so the variance is the mean square; collapsed means *below* 0.01.",
        "$a_k = 0.1^2 = 0.01$, which is not below the threshold: `(0.01, False)`.",
    ),
    "07.2": Exercise(
        0.8,
        "What do variances of uncorrelated things do?",
        "They add up: $0.3 + 0.5 = 0.8$.",
    ),
    "07.3": Exercise(
        _counts_collapsed,
        "The variance over users is taken down the columns.",
        "`def answer_3(means): return (means.var(0) < 0.01).sum()`",
    ),
    "08.1": Exercise(0.8, "λ' = 1 / (1 + λ).", "$1/(1+0.25) = 0.8$."),
    "08.2": Exercise(1.25, "The factor in front of the bracket.", "$1+\\lambda = 1.25$ times as strong."),
    "08.3": Exercise(
        "w/o PMN",
        "Which ablation keeps the loss?",
        "*Add* and *w/o Mixing* change the loss. *w/o PMN* keeps it and takes $W_{\\mathcal I}^\\top x_u$ from the "
        "meta-network's input.",
    ),
    "09.1": Exercise(
        0.0,
        "MDDM mixes two divergences; which factor must vanish?",
        "λ stands before the divergence from the prior, so at λ = 0 only $D_{KL}(\\text{fused}\\|p)$ is left.",
    ),
    "09.2": Exercise(
        _blind_to_the_language_mean(),
        "In which terms does the language mean cancel?",
        "As published both compare $p$ with the fused posterior, whose mean is $\\mu_q+\\mu_p$: the difference keeps "
        "$\\mu_q$ alone. GODM compares $p$ with $q$ itself.",
    ),
    "10.1": Exercise(
        0.1,
        "One over the root of the product of the two degrees.",
        "$1/\\sqrt{4\\cdot25} = 0.1$.",
    ),
    "10.2": Exercise(
        0.05,
        "The variance at the last step is s times n_max.",
        "$\\sqrt{0.5\\cdot0.005} = \\sqrt{0.0025} = 0.05$.",
    ),
    "10.3": Exercise(
        "CVGA",
        "Where does the word dropout stand in the three equations?",
        "Mult-VAE and L-DiffRec drop clicks; CVGA drops entries of $\\hat RW+b$, its output.",
    ),
    "11.1": Exercise(
        math.log(8),
        "The two τ cancel; what is left of the sum?",
        "$-c/\\tau+\\log(8\\,e^{c/\\tau}) = \\log 8 = 2.08$, whatever the cosine $c$ is.",
    ),
    "11.2": Exercise(
        "AlphaRec",
        "Who makes a user from the items' texts alone?",
        "AlphaRec's user is the mean of the clicked items' vectors; a text of the user enters nowhere.",
    ),
    "12.1": Exercise(
        0.05 / 0.06,
        "Real minus shuffled, out of real minus the untuned base.",
        "$(0.36-0.31)/(0.36-0.30) = 0.83$.",
        tolerance=0.01,
    ),
    "12.2": Exercise(
        "shuffled",
        "One of them is a permutation.",
        "Shuffling permutes owners: every direction is still there. Random vectors keep lengths alone.",
    ),
    "12.3": Exercise(
        _adds_noise,
        "Blend first, then rescale to the old length.",
        "`b = (1 - rho) * w + rho * np.linalg.norm(w) * g / np.linalg.norm(g)`, then "
        "`b * np.linalg.norm(w) / np.linalg.norm(b)`.",
    ),
    "13.1": Exercise(
        5 * math.log(50),
        "It is a sum over the items, of −log 1/50.",
        "$-5\\log\\tfrac1{50} = 5\\log 50 = 19.56$ nats.",
    ),
    "13.2": Exercise(
        0.0,
        "Which factor stands before the prior's divergence?",
        "λ itself: at λ = 0 the whole budget is the language space's.",
    ),
    "13.3": Exercise(
        lambda a: math.exp(a / 2) < 1.1e-4 and 0.5 * (math.exp(a) - 1 - a) < 9,
        "The standard deviation is exp(logvar / 2); the divergence is (exp(logvar) - 1 - logvar) / 2.",
        "$e^{a/2} = 10^{-4}$ at $a = -18.4$, where the divergence is $(e^{a}-1-a)/2 = 8.7$ nats.",
    ),
}
