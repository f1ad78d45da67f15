"""Several processes that train one run: their environment, their group, their shares of a batch.

torchrun starts the processes. Process 0 leads: it runs the whole program. The others follow: they
compute their rows of each batch, or train networks of an ensemble.
"""
