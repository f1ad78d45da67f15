"""Choosing the torch device and the precision of training."""

from typing import Any

import torch

from rnn_train.errors import TrainingError


def pick_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu` or `cuda`.

    Raises:
        TrainingError: `cuda` where torch has none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise TrainingError(
            "device cuda does not work here: torch sees no CUDA device; check nvidia-smi and that "
            "this torch is a CUDA build, or use --device cpu"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def pick_precision(device: torch.device, bfloat16: bool) -> torch.dtype:
    """float16 on CUDA; on a CPU that computes in it, `bfloat16` where it may be; else float32.

    Emulated, as elsewhere, bfloat16 would be slower than float32.
    """
    if device.type == "cuda":
        return torch.float16
    known: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # not in older ones
    own = known.get("avx512_bf16") or known.get("amx_bf16")
    return torch.bfloat16 if bfloat16 and own else torch.float32
