"""Programs that run a model file in other engines; see `run`."""
