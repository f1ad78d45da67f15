"""The task of the character model, from the request to what is trained.

See `rnn_train.tasks`; never imports the other kind.
"""
