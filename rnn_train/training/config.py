"""How a model is trained."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained, apart from for how long."""

    batch: int = 32
    window: int = 64
    """Characters between cuts of the gradient (charlm)."""
    learning_rate: float = 4e-3
    muon: float = 0.0
    """Rate of `Muon` on the task's gate matrices, as a multiple of `learning_rate`; 0: AdamW there
    too."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """Largest norm of the whole gradient."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what is evaluated and exported."""
    validate_every: float = 60.0
    """Seconds between validations, each with a checkpoint."""
    capture: bool = True
    """On CUDA, record the passes of a step once and replay them (charlm), see `captured`."""
    seed: int = 0
