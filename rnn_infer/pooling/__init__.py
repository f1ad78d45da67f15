"""The pool: streams that share batches, the limit of them, and who waits for what.

May import `batch_worker`, `runtime`, `text`, `sampling`, `contract` and `errors`.
"""
