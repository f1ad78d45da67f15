"""Text and tables in, integers out: sources, named sets, encoded corpora, labelled rows.

May import `errors`, `files`, `progress`, and of `rnn_infer` the contract and the text rules.
"""
