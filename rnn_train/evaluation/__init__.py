"""How good a model is: metrics, protocols, baselines, dynamic evaluation, plots.

May import `training`, `models`, `data` and below; never `tasks`.
"""
