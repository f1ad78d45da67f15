"""The classifier: what was asked, what is decided, what is trained.

See `rnn_train.tasks`; never imports the other kind.
"""
