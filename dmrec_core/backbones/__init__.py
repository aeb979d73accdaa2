"""Generative recommenders that DMRec plugs into."""

from dmrec_core.backbones.mult_vae import MultVAE

__all__ = ["MultVAE"]
