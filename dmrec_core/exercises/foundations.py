"""Answers to the exercises of notebooks 00 to 05: data, the two spaces, matching, training."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dmrec_core.exercises.judging import Exercise
from dmrec_core.gaussian import DiagonalGaussian, kl, wasserstein2
from dmrec_core.matching import mddm


def _gaussian(mean: float, std: float) -> DiagonalGaussian:
    return DiagonalGaussian(*torch.tensor([[[mean]], [[2 * math.log(std)]]], dtype=torch.float64))


def _pair() -> tuple[DiagonalGaussian, DiagonalGaussian]:
    """Two batches that no line of an answer can have been written for."""
    drawn = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    return DiagonalGaussian(drawn[0], drawn[1]), DiagonalGaussian(drawn[2], drawn[3])


def _draws(answer: Callable[[Tensor, Tensor], Tensor]) -> bool:
    heads = torch.randn(5, 6, generator=torch.Generator().manual_seed(7))
    epsilon = torch.randn(5, 3, generator=torch.Generator().manual_seed(8))
    q = DiagonalGaussian.from_heads(heads)
    return torch.allclose(answer(heads, epsilon), q.mean + q.std * epsilon)


def _small_gap(answer: tuple[float, float]) -> bool:
    gap = kl(_gaussian(*answer), _gaussian(0.8, math.sqrt(0.2))).item()
    print(f"  your gap: {gap:.4f} nats")
    return gap < 0.01


def _sums_texts(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> bool:
    chance = torch.Generator().manual_seed(7)
    x, vectors, own = torch.rand(3, 4, generator=chance).round(), torch.randn(4, 2, generator=chance), torch.ones(3, 2)
    return torch.allclose(answer(x, vectors, own), x @ vectors + own)


def _is_mddm(answer: Callable[[DiagonalGaussian, DiagonalGaussian, float], Tensor]) -> bool:
    q, p = _pair()
    return all(torch.allclose(answer(q, p, lam), mddm(q, p, q, lam, "paper").total) for lam in (0.0, 0.3, 1.0))


def _near_and_far(answer: tuple[float, float]) -> bool:
    mine, theirs = _gaussian(*answer), _gaussian(0.0, 1.0)
    distance, nats = wasserstein2(mine, theirs).item(), kl(mine, theirs).item()
    print(f"  your q: W2 = {distance:.3f}, KL(q‖p) = {nats:.2f} nats")
    return distance < 1 and nats > 10


FOUNDATIONS = {
    "00.1": Exercise(
        0.25,
        "Hits over all held-out items.",
        "One hit of four held-out items: $1/4$. What stands between the hits does not matter to Recall.",
    ),
    "00.2": Exercise(
        "language",
        "Whose vectors exist before anybody clicks?",
        "Nobody else's clicks connect that item with others, but its text lies near the texts of items like it.",
    ),
    "01.1": Exercise(
        0.5,
        "How many pairs are there, and how many of them have cosine 1?",
        "Four vectors make six pairs. The three equal ones make three with cosine 1; the others have 0: $3/6 = 0.5$.",
    ),
    "01.2": Exercise(
        20 / 980,
        "The items they trained on are not candidates.",
        "980 items are left to rank. A random order puts each into the top 20 with probability $20/980 = 0.0204$, and "
        "that is the expected share of the held-out ones, however many they are.",
    ),
    "01.3": Exercise(
        lambda t: (t.user_words, t.history_items) == (30, 4) and "at most 30 words" in t.user_message(),
        "dataclasses.replace takes a template and the fields to change.",
        "`dataclasses.replace(template, user_words=30, history_items=4)`",
    ),
    "02.1": Exercise(
        _draws,
        "Cut `heads` in the middle of its last dimension; σ is the exponential of half the log-variance.",
        "`def answer_1(heads, epsilon): mu, logvar = heads.chunk(2, -1); return mu + (0.5 * logvar).exp() * epsilon`",
    ),
    "02.2": Exercise(
        0.5,
        "The gap is KL(q‖true posterior). Both have variance 1.",
        "Equal variances leave $\\tfrac12(\\mu_q-\\mu)^2/\\sigma^2 = \\tfrac12$ nat.",
    ),
    "02.3": Exercise(
        _small_gap,
        "Precisions add: 1 from the prior, 4 from the observation.",
        "The posterior's precision is $1 + 4 = 5$, its mean $4x/5 = 0.8$: `answer_3 = (0.8, 0.2 ** 0.5)`, gap 0.",
    ),
    "03.1": Exercise(
        9,
        "How many vectors are added in all, and where do they point?",
        "Eight items and the user's own vector point in one direction: $\\|g\\| = 8 + 1 = 9$.",
    ),
    "03.2": Exercise(
        _sums_texts,
        "A matrix product adds the rows of W that x picks.",
        "`def answer_2(x, W, w): return x @ W + w`",
    ),
    "03.3": Exercise(
        1 / 0.7,
        "So that the sum is right on average.",
        "Each item stays with probability 0.7, so what stays is multiplied by $1/0.7 = 1.429$.",
        tolerance=5e-3,
    ),
    "04.1": Exercise(
        3.0**2 + (2 - 1) ** 2,
        "Distances of means and of *standard deviations*.",
        "$(3-0)^2 + (2-1)^2 = 10$; the variances 4 and 1 have the roots 2 and 1.",
    ),
    "04.2": Exercise(
        (0.75 * 4 * 2) / (0.25 + 0.75 * 4),
        "Part 4: weigh each mean by its precision times its share of the budget.",
        "Precisions: 1 with share 0.25, and $1/0.25 = 4$ with share 0.75. The mean is "
        "$(0.25\\cdot1\\cdot0 + 0.75\\cdot4\\cdot2)/(0.25 + 3) = 6/3.25 = 1.846$: a sure text wins.",
        tolerance=5e-3,
    ),
    "04.3": Exercise(
        _is_mddm,
        "Which of the two divergences gets the share λ?",
        "`def answer_3(q, p, lam): return lam * gaussian.kl_to_standard_normal(q) + (1 - lam) * gaussian.kl(q, p)`",
    ),
    "04b.1": Exercise(
        _near_and_far,
        "W2 hardly notices how narrow q is. KL does, but only by a logarithm.",
        "At mean 0 a $q$ narrower by the factor $c$ costs $\\log c - \\tfrac12 + \\tfrac1{2c^2}$ nats: "
        "`answer_1 = (0.0, math.exp(-11))` costs 10.5, and $W_2 = 1 - e^{-11} < 1$.",
    ),
    "04b.2": Exercise(
        1 / math.sqrt(2),
        "The formula of Part 4, with a distance of 1 and widths that differ by 1.",
        "$\\Delta/\\sqrt{\\Delta^2+(\\sigma_\\phi-\\sigma_\\varphi)^2} = 1/\\sqrt{1+1} = 0.707$, not 1.",
        tolerance=5e-3,
    ),
    "04b.3": Exercise(
        0.5 * math.log(1 + 1 / 0.25),
        "Perfect reading leaves I(z;x) − I(z;s). What is I(z;s) here?",
        "With $\\rho=0$, $I(z;s)=0$ and the best $p$ is $q(z)$ itself. Left is all of "
        "$I(z;x) = \\tfrac12\\log(1+1/0.25) = 0.805$.",
        tolerance=5e-3,
    ),
    "05.1": Exercise(
        3 * math.log(50),
        "What does one item cost among 50 equal ones?",
        "Each of the 3 items has probability $1/50$ and costs $\\log 50$: $3\\log 50 = 11.7$ nats.",
    ),
    "05.2": Exercise(
        lambda steps: [steps(600, 128), steps(512, 128), steps(1, 1024)] == [5, 4, 1],
        "The last, partial batch counts.",
        "`def answer_2(users, batch_size): return math.ceil(users / batch_size)`, or `-(-users // batch_size)`.",
    ),
    "05.3": Exercise(
        "none of them",
        "Follow z back from the decoder.",
        "$z$ comes from both branches and goes through the decoder, so the reconstruction moves $\\phi$, "
        "$\\varphi$ and $\\theta$.",
    ),
}
