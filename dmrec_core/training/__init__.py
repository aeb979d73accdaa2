"""Fitting and judging a model: the loop, full ranking, checkpoints, devices, and the floors a number must beat."""

from dmrec_core.training.checkpoint import Checkpoint
from dmrec_core.training.device import derived_seed
from dmrec_core.training.evaluate import METRICS, Metric, metric_label, ranking_metrics
from dmrec_core.training.fit import TrainingCancelled, TrainSettings
from dmrec_core.training.floors import Popularity, TextSimilarity, chance_recall
