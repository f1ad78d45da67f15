"""Many tensors as one."""

import torch
from torch import Tensor, nn

from rnn_train.distributed.flat import through_flat


def test_values_go_there_and_back() -> None:
    weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))
    tensors = [weight, torch.tensor([1, 2]), torch.tensor(7.0), torch.ones(2, 2).T]
    seen: list[Tensor] = []

    def double(flat: Tensor) -> None:
        seen.append(flat.clone())
        flat *= 2

    through_flat(tensors, double)
    assert [(len(each), each.dtype) for each in seen] == [(11, torch.float32), (2, torch.int64)]
    assert weight.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert weight.requires_grad
    assert tensors[1].tolist() == [2, 4]
    assert tensors[2].item() == 14
    assert tensors[3].tolist() == [[2, 2], [2, 2]]
