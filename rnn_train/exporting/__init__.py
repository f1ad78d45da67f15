"""Weights in, a proved model file out.

May import `models` and below, and `rnn_infer`, whose format it writes; never `tasks`.
"""
