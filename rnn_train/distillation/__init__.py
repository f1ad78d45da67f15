"""What a model learns from other models: soft targets, ensembles, a warm start.

May import `evaluation`, `training`, `models`, `data` and below; never `tasks`.
"""
