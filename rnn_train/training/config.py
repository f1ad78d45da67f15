"""Training hyperparameters."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Training hyperparameters. How long to train is in `Schedule`."""

    batch: int = 32
    """Sequences in a batch."""
    window: int = 64
    """Characters of a window of truncated BPTT (charlm)."""
    learning_rate: float = 4e-3
    """Highest learning rate of the schedule."""
    muon: float = 0.0
    """Learning rate of `Muon` for the gate matrices, as a multiple of `learning_rate`. 0: AdamW
    trains them too."""
    tables: float = 0.0
    """Learning rate of `RowAdagrad` for look-up tables, as a multiple of `learning_rate`. 0: AdamW
    trains them too."""
    weight_decay: float = 0.01
    """Weight decay of all matrices."""
    clip: float = 1.0
    """Largest norm of the whole gradient; a longer gradient is scaled down to it."""
    average: float = 0.999
    """Decay of the moving average of the weights. The averaged weights are evaluated and
    exported."""
    average_every: int = 1
    """Steps between updates of that average; only its begin follows each step."""
    held: bool = False
    """Whether the rate does not fall before a warm restart, which then starts from the average."""
    validate_every: float = 60.0
    """Seconds between validations. A checkpoint is written at each validation."""
    capture: bool = True
    """On CUDA, capture the forward and backward pass as a CUDA graph and replay it (charlm); see
    `cuda_graph`."""
    seed: int = 0
    """Seed of the initial weights, of the batches and of dropout."""
