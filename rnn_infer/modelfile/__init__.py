"""What stands in a model file, and what is refused before anything runs it.

May import `contract`, `errors` and `text`; the `runtime` opens what is read here.
"""
