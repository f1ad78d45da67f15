"""The content of a model file, and the checks before anything runs it.

May import `contract`, `errors` and `text`. The family `runtime` opens the files that are read here.
"""
