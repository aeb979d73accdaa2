"""Fitting and judging a model: the loop, full ranking, checkpoints, devices, and the floors a number must beat."""
