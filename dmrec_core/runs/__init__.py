"""From a setting to its result: specs, presets, the run store, many runs at once."""

from dmrec_core.runs.build import build_model
from dmrec_core.runs.inputs import load
from dmrec_core.runs.models import CARDS, ModelCard
from dmrec_core.runs.presets import L_DIFFREC_YELP, LAMBDA, paper_settings
from dmrec_core.runs.spec import RunSpec
from dmrec_core.runs.store import RunResult, run, untrained
from dmrec_core.runs.sweeps import RunFailed, grid, sweep
