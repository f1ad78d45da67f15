"""Everything that is measured on a GPU, in one command of at most eight minutes.

    python -m benchmarks.gpu

See `__main__`.
"""
