"""Tasks: each ties one kind of model to data, training, distillation, evaluation and export.

May import every family below it; `pipeline` and `evaluator` use it.
"""
