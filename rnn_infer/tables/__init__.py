"""Tables and lists of texts: CSV, TSV, JSON and lines, read row by row.

Training, `rnn-infer classify` and `rnn-train evaluate` all read with it.
"""
