"""Catalogues too large for a number per user and item: exact in blocks, or sampled. Neither is in the paper."""

from dmrec_core.catalogues.likelihood import blocked_multinomial_nll, sampled_multinomial_nll
from dmrec_core.catalogues.mult_vae import SETTINGS, LargeMultVAE
