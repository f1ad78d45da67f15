"""Makes calls of the operating system fail on purpose, one by one, and sees what comes of it.

    python -m benchmarks.faults

See `__main__`.
"""
