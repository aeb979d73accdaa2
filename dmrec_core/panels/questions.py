"""Predict, then look: the question above each panel of notebooks 00b and 02 to 04, its answer, and useful settings.

They live here and not in the notebooks, where the answer would stand in the cell above the question.
"""

from __future__ import annotations

Panel = dict[str, object]  # what `panels.explore` takes beside controls: predict, presets, labels

STEP: Panel = {
    "predict": (
        "Only the matching term pulls. Published code, left: does q's blue arrow point to p (orange) or to the prior's "
        "cross? And has p an arrow at all?",
        "Towards the prior, wherever p lies, and p's mean stays where it is: it is in the fused one, too, and cancels. "
        "In the paper's equations, right, q and p walk towards each other. At λ = 1 neither picture has an arrow left.",
    ),
    "presets": {
        "no matching": {"lam": 1.0, "pull": "matching"},
        "no prior": {"lam": 0.0, "pull": "matching"},
        "the whole step": {"lam": 0.5, "pull": "all three"},
    },
}

BOUND: Panel = {
    "predict": (
        "q has the right mean but is (a) twice as wide or (b) half as wide as the true posterior. Which costs more?",
        "Too wide costs more in the bound, but importance weighting repairs it at once. Too narrow misses mass, and no "
        "number of draws repairs that quickly. Try σ = 0.9 and σ = 0.2 at mean 0.8.",
    ),
    "presets": {
        "the prior as a guess": {"mean": 0.0, "std": 1.0},
        "exact": {"mean": 0.8, "std": 0.45},
        "too narrow": {"mean": 0.8, "std": 0.2},
    },
}

TRUE_POSTERIOR: Panel = {
    "predict": (
        "Who has the wider posterior: a user with one click or one with twenty?",
        "The one with one click: close to the prior. Clicks narrow it. This width is what language is meant to reduce.",
    ),
    "labels": {"user": "user (quiet to busy)"},
}

CLICKS: Panel = {
    "predict": (
        "Before the first click, where is the language side: at the prior, or somewhere else? And without w_u?",
        "Somewhere else: w_u already speaks. Without it, Eq. 7 is the zero vector, and what remains is the same answer "
        "for everybody.",
    ),
    "labels": {"own_text": "user's own text w_u"},
}

TRANSPORT: Panel = {
    "predict": (
        "q has σ = 1. If p has the same mean but σ = 2, is W2 zero?",
        "No: W2² = (2 − 1)² = 1. Mass must spread, although its centre stays.",
    ),
    "presets": {"same width": {"mean": 3.0, "std": 1.0}, "same centre": {"mean": 0.0, "std": 2.0}},
}

GRADIENT_FIELD: Panel = {
    "predict": (
        "At λ = 0, where is the lowest point? Where does it go as λ grows?",
        "At the prior's grey cross; it moves towards the orange square, the language side. Try the other strategies: "
        "in MDDM it moves the other way.",
    ),
    "presets": {"λ = 0": {"lam": 0.0}, "λ = 1": {"lam": 1.0}},
}

BOTH_DIRECTIONS: Panel = {
    "predict": (
        "p has σ = 1. With equal means, which is larger when q has σ = 3: KL(q‖p) or KL(p‖q)?",
        "KL(q‖p), by far: much of q lies where p hardly has mass.",
    ),
    "presets": {"q too wide": {"mean": 0.0, "std": 3.0}, "q too narrow": {"mean": 0.0, "std": 0.4}},
}

MODE_SEEKING: Panel = {
    "predict": ("What happens to the blue fit when the two tastes come closer?", "It covers both, once they overlap."),
}

COMPOSITE: Panel = {
    "predict": (
        "q and p move apart. Which of the three divergences stops growing?",
        "The mixture's: it contains both sides, so its divergence stays below −log α − log(1 − α). The geometric one "
        "grows with the square of the distance.",
    ),
}

POSTERIOR: Panel = {
    "predict": (
        "Who moves further when λ goes from 0 to 1 in MDDM: a user with 2 items or one with 50?",
        "The one with 2 items. Fifty votes outweigh text and prior at every λ. That is the paper's case for helping "
        "sparse users, in one picture. And at λ = 1 the printed MDDM, which this is, no longer hears the text.",
    ),
    "presets": {
        "quiet user": {"items": 2},
        "busy user": {"items": 50},
        "no clicks at all": {"items": 0},
        "vague text": {"text_std": 2.0},
        "sure text": {"text_std": 0.3},
    },
}

INFORMATION: Panel = {
    "predict": (
        "Set the language side to read perfectly (button). Is the divergence zero?",
        "No. The blue part stays: things only the interactions know. It shrinks if you make the encoder noisier (v).",
    ),
    "labels": {
        "rho": "ρ (what texts know)",
        "v": "v (encoder noise)",
        "c": "c (language gain)",
        "w": "w (language noise)",
    },
    "presets": {
        "perfect reading": {"rho": 0.8, "v": 0.25, "c": 0.8, "w": 0.6},
        "then forget (noisy encoder)": {"rho": 0.8, "v": 2.0, "c": 0.8, "w": 2.35},
        "worse than nothing": {"rho": 0.8, "v": 0.25, "c": -1.0, "w": 0.8},
    },
}

WHO_MOVES: Panel = {
    "predict": (
        "In the published code, which strategies tell the language branch where its mean should be?",
        "GODM alone. Switch the variant to the paper's equations and all three do.",
    ),
}
