"""Data sets: made, downloaded, or the user's own, all as one `RecDataset`."""

from dmrec_core.data.card import data_card, source_table
from dmrec_core.data.dataset import DataError, Profiles, RecDataset, SemanticVectors
from dmrec_core.data.download import DownloadError
from dmrec_core.data.load import contents, is_own, load_dataset
from dmrec_core.data.own import load_own
from dmrec_core.data.rlmrec import load_rlmrec
from dmrec_core.data.safe_pickle import UnsafePickleError
from dmrec_core.data.sources import DATASETS
from dmrec_core.data.split import split_per_user
from dmrec_core.data.steam_part import load_steam_part
from dmrec_core.data.toy import ToyTruth, toy_dataset, toy_ground_truth
from dmrec_core.data.xrec import load_xrec
