"""The language-enhanced recommenders DMRec is compared with, and LightGCN, which most of them stand on."""

from dmrec_core.baselines.alpharec import AlphaRec
from dmrec_core.baselines.graph_recommender import GraphRecommender
from dmrec_core.baselines.kar import KAR
from dmrec_core.baselines.lightgcn import LightGCN
from dmrec_core.baselines.llmrec import LLMRec
from dmrec_core.baselines.llmrec_edges import candidate_pool, edges_by_cosine
from dmrec_core.baselines.rlmrec import RLMRecContrastive, RLMRecGenerative

__all__ = [
    "KAR",
    "AlphaRec",
    "GraphRecommender",
    "LLMRec",
    "LightGCN",
    "RLMRecContrastive",
    "RLMRecGenerative",
    "candidate_pool",
    "edges_by_cosine",
]
