"""The DMRec kit: distribution matching between collaborative and language spaces for generative recommendation.

Source: Zhang et al., "Towards Distribution Matching between Collaborative and Language Spaces for Generative
Recommendation", SIGIR 2025 (arXiv 2504.07363).
"""

__version__ = "0.1.0"
