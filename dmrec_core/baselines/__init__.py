"""The language-enhanced recommenders DMRec is compared with, and LightGCN, which most of them stand on."""

from dmrec_core.baselines.alpharec import AlphaRec
from dmrec_core.baselines.contrast import bpr, info_nce, sampled_softmax
from dmrec_core.baselines.graph_recommender import GraphRecommender
from dmrec_core.baselines.kar import KAR, Experts, ExpertTower
from dmrec_core.baselines.lightgcn import LightGCN
from dmrec_core.baselines.llmrec import LLMRec, prune
from dmrec_core.baselines.llmrec_edges import candidate_pool, edges_by_cosine
from dmrec_core.baselines.rlmrec import RLMRecContrastive, RLMRecGenerative
from dmrec_core.baselines.sampling import PairBatch

__all__ = [
    "KAR",
    "AlphaRec",
    "ExpertTower",
    "Experts",
    "GraphRecommender",
    "LLMRec",
    "LightGCN",
    "PairBatch",
    "RLMRecContrastive",
    "RLMRecGenerative",
    "bpr",
    "candidate_pool",
    "edges_by_cosine",
    "info_nce",
    "prune",
    "sampled_softmax",
]
