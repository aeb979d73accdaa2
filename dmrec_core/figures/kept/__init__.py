"""Figures that are kept: numbers in, a matplotlib figure out, nothing read or written."""
