"""Learning from other models: soft targets of teachers, ensembles, and a warm start.

May import `evaluation`, `training`, `models`, `data` and below; never `tasks`.
"""
