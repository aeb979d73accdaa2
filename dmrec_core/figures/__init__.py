"""Figures that are kept: how they are written, and how `python -m dmrec_core figures` makes them again.

`record` writes one figure with its numbers, `provenance` says what they came from, `run_notebooks` runs the notebooks
under papermill, `pairs` keeps the two halves of a notebook the same.
"""
