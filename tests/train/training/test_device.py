"""Device and precision of training."""

import pytest
import torch

from rnn_train.errors import TrainingError
from rnn_train.training.device import pick_device, pick_precision


def test_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == pick_device("cpu") == torch.device("cpu")
    with pytest.raises(TrainingError, match=r"no CUDA device; .*--device cpu"):
        pick_device("cuda")


def test_with_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda")
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("bfloat16", [True, False])
def test_cuda_trains_in_float16(bfloat16: bool) -> None:
    assert pick_precision(torch.device("cuda"), bfloat16) == torch.float16


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_bf16", None])
def test_bfloat16_needs_instructions_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, instructions: str | None
) -> None:
    capabilities = {"avx2": True, "avx512_bf16": False}
    if instructions:
        capabilities[instructions] = True
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    cpu = torch.device("cpu")
    assert pick_precision(cpu, True) == (torch.bfloat16 if instructions else torch.float32)
    assert pick_precision(cpu, False) == torch.float32
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert pick_precision(cpu, True) == torch.float32, "an older torch cannot tell"


def test_other_name() -> None:
    with pytest.raises(TrainingError, match="device must be auto, cpu or cuda, got 'tpu'"):
        pick_device("tpu")
