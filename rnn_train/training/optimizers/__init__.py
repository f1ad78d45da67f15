"""Optimizers of matrices and of look-up tables, and which parameter gets which."""
