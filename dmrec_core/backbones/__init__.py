"""Generative recommenders that DMRec plugs into."""

from dmrec_core.backbones.cvga import CVGA
from dmrec_core.backbones.diffusion import NoiseSchedule
from dmrec_core.backbones.l_diffrec import LDiffRec
from dmrec_core.backbones.mult_vae import MultVAE
