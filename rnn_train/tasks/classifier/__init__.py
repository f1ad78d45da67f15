"""The task of the classifier, from the request to what is trained.

See `rnn_train.tasks`; never imports the other kind.
"""
