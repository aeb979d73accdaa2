"""The DMRec kit: distribution matching between collaborative and language spaces for generative recommendation.

The modules beside this file are the models and losses, an equation a function; every other thing has a room of its own.
Names below are imported when they are first asked for, so that a model costs no more to import than torch.

Source: Zhang et al., "Towards Distribution Matching between Collaborative and Language Spaces for Generative
Recommendation", SIGIR 2025 (arXiv 2504.07363).
"""

from importlib import import_module

__version__ = "0.1.0"

_HOMES = {
    "DiagonalGaussian": "gaussian",
    "geometric_composite": "gaussian",
    "kl": "gaussian",
    "kl_to_standard_normal": "gaussian",
    "log_density": "gaussian",
    "log_mixture_density": "gaussian",
    "moment_matched_composite": "gaussian",
    "wasserstein2": "gaussian",
    "wasserstein2_squared": "gaussian",
    "MatchingTerms": "matching",
    "STRATEGIES": "matching",
    "Strategy": "matching",
    "add_only": "matching",
    "composite_divergence": "matching",
    "cpdm": "matching",
    "fuse": "matching",
    "godm": "matching",
    "mddm": "matching",
    "without_mixing": "matching",
    "fused_multinomial_nll": "likelihood",
    "multinomial_nll": "likelihood",
    "MetaNetwork": "meta_network",
    "base_network": "meta_network",
    "InteractionLinear": "interactions",
    "InteractionRows": "interactions",
    "UserBatch": "interactions",
    "user_batch": "interactions",
    "Backbone": "recommender",
    "Recommender": "recommender",
    "top_items": "recommender",
    "BaseModel": "dmrec",
    "DMRec": "dmrec",
    "Spaces": "dmrec",
    "MultVAE": "backbones.mult_vae",
    "CVGA": "backbones.cvga",
    "LDiffRec": "backbones.l_diffrec",
    "evaluate": "training.evaluate",
    "fit": "training.fit",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
