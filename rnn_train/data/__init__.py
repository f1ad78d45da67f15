"""Reads texts and tables, and encodes them as integers.

This family may import `errors`, `files` and `progress`; of `rnn_infer`, only `contract` and `text`.
"""
