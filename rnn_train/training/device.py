"""Device and precision of training."""

from typing import Any

import torch

from rnn_train.errors import TrainingError


def pick_device(name: str) -> torch.device:
    """Chooses the torch device.

    Args:
        name: `auto`, `cpu` or `cuda`. `auto` is CUDA if torch can use it.

    Raises:
        TrainingError: `cuda` was asked for, and torch has no CUDA device; or the name is another.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise TrainingError(f"device must be auto, cpu or cuda, got {name!r}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise TrainingError(
            "device cuda does not work here: torch finds no CUDA device; run nvidia-smi, and "
            "install a CUDA build of torch; or use --device cpu"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def pick_precision(device: torch.device, bfloat16: bool) -> torch.dtype:
    """Chooses the precision of the forward and backward pass.

    Args:
        device: where to train.
        bfloat16: whether bfloat16 may be used on a CPU.

    Returns:
        float16 on CUDA; bfloat16 on a CPU that has instructions for it, if it may be used;
        otherwise float32. A CPU without such instructions emulates bfloat16, which is slow.
    """
    if device.type == "cuda":
        return torch.float16
    # Older versions of torch do not have this function.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    native = capabilities.get("avx512_bf16") or capabilities.get("amx_bf16")
    return torch.bfloat16 if bfloat16 and native else torch.float32
