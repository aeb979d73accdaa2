"""The language-enhanced recommenders DMRec is compared with, LightGCN under most of them, and closed forms."""

from dmrec_core.baselines.alpharec import AlphaRec
from dmrec_core.baselines.closed_form import ClosedForm
from dmrec_core.baselines.graph_recommender import GraphRecommender
from dmrec_core.baselines.item_to_item import EASE, L3AE, ItemKNN
from dmrec_core.baselines.kar import KAR
from dmrec_core.baselines.lightgcn import LightGCN
from dmrec_core.baselines.llmrec import LLMRec
from dmrec_core.baselines.llmrec_edges import candidate_pool, edges_by_cosine
from dmrec_core.baselines.low_rank import GFCF, IALS
from dmrec_core.baselines.rlmrec import RLMRecContrastive, RLMRecGenerative

__all__ = [
    "EASE",
    "GFCF",
    "IALS",
    "KAR",
    "L3AE",
    "AlphaRec",
    "ClosedForm",
    "GraphRecommender",
    "ItemKNN",
    "LLMRec",
    "LightGCN",
    "RLMRecContrastive",
    "RLMRecGenerative",
    "candidate_pool",
    "edges_by_cosine",
]
