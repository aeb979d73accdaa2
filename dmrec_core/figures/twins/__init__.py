"""Kernel-free twins: one small HTML file with a native slider each."""
