"""Measures how good a model is: metrics, protocols, dynamic evaluation, baselines, plots.

This family may import `training`, `models`, `data` and what is below them, but never `tasks`.
"""
