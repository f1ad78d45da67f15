"""From trained weights to a proved model file: graph, document, proof.

May import `models` and the families below it, and `rnn_infer`, whose file format it writes.
It never imports `tasks`.
"""
