"""The language space: profiles written from items and histories (Eq. 4), and vectors of those profiles (Eq. 5)."""

from dmrec_core.language.controls import noisy, of_clicks, random_like, shuffled
from dmrec_core.language.embedders import (
    Embedder,
    EndpointEmbedder,
    MiniLM,
    SentenceTransformerEmbedder,
    TfidfSvd,
    choose_embedder,
    semantic_vectors,
    with_language,
)
from dmrec_core.language.endpoint import Endpoint, EndpointError
from dmrec_core.language.estimate import Price, duration
from dmrec_core.language.extractive import ExtractiveProfiler
from dmrec_core.language.geometry import centred, mean_cosine, nearest, pair_cosines
from dmrec_core.language.item_space import item_space
from dmrec_core.language.language_model import LanguageModel
from dmrec_core.language.profiles import extractive_profiles, load_profiles, save_profiles, write_profiles
from dmrec_core.language.prompts import Prompt, item_prompts, user_prompts
from dmrec_core.language.templates import TEMPLATES, PromptTemplate, load_template
from dmrec_core.language.user_texts import item_texts, sampled_training_items, user_texts
