"""The answers to the notebooks' exercises, with a hint and a worked solution each: not in the cell a student edits."""

from dmrec_core.exercises.findings import FINDINGS
from dmrec_core.exercises.foundations import FOUNDATIONS
from dmrec_core.exercises.judging import Exercise

EXERCISES: dict[str, Exercise] = FOUNDATIONS | FINDINGS  # "04.2" -> the second exercise of notebook 04
