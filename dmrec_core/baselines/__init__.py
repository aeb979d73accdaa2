"""The language-enhanced recommenders DMRec is compared with, LightGCN under most of them, and closed forms."""

from dmrec_core.baselines.alpharec import AlphaRec
from dmrec_core.baselines.closed_form import ClosedForm
from dmrec_core.baselines.contrast import bpr, info_nce, sampled_softmax
from dmrec_core.baselines.graph_recommender import GraphRecommender
from dmrec_core.baselines.item_to_item import EASE, L3AE, ItemKNN
from dmrec_core.baselines.kar import KAR, Experts, ExpertTower
from dmrec_core.baselines.lightgcn import LightGCN
from dmrec_core.baselines.llmrec import LLMRec, prune
from dmrec_core.baselines.llmrec_edges import candidate_pool, edges_by_cosine
from dmrec_core.baselines.low_rank import GFCF, IALS
from dmrec_core.baselines.rlmrec import RLMRecContrastive, RLMRecGenerative
from dmrec_core.baselines.sampling import PairBatch
