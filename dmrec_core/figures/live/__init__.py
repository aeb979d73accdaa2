"""Figures that move: values in, a plotly figure out."""
