"""The DMRec kit: distribution matching between collaborative and language spaces for generative recommendation.

The modules beside this file are the models and losses, an equation a function; every other thing has a room of its own.
Names below are imported when they are first asked for, so that a model costs no more to import than torch.

Source: Zhang et al., "Towards Distribution Matching between Collaborative and Language Spaces for Generative
Recommendation", SIGIR 2025 (arXiv 2504.07363).
"""

from importlib import import_module

__version__ = "0.1.0"

_NAMES = {
    "gaussian": "DiagonalGaussian geometric_composite kl kl_to_standard_normal "
    "log_density log_mixture_density moment_matched_composite wasserstein2 wasserstein2_squared",
    "matching": "MatchingTerms STRATEGIES Strategy add_only composite_divergence cpdm fuse godm mddm without_mixing",
    "likelihood": "fused_multinomial_nll multinomial_nll",
    "meta_network": "MetaNetwork base_network",
    "interactions": "InteractionLinear InteractionRows UserBatch user_batch",
    "recommender": "Backbone Recommender top_items",
    "dmrec": "BaseModel DMRec Spaces",
    "backbones.mult_vae": "MultVAE",
    "backbones.cvga": "CVGA",
    "backbones.l_diffrec": "LDiffRec",
    "training.evaluate": "evaluate",
    "training.fit": "fit",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
