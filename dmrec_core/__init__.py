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
    "kl": "gaussian",
    "wasserstein2": "gaussian",
    "fuse": "matching",
    "godm": "matching",
    "cpdm": "matching",
    "mddm": "matching",
    "multinomial_nll": "likelihood",
    "MetaNetwork": "meta_network",
    "BaseModel": "dmrec",
    "DMRec": "dmrec",
    "Backbone": "recommender",
    "Recommender": "recommender",
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
