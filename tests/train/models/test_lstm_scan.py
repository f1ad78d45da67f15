"""The LSTM's passes that are written by hand."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from rnn_train.models import lstm_scan
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.lstm_scan import pays, scan

needs_product = pytest.mark.skipif(
    not lstm_scan.available(), reason="no bfloat16 product on this processor"
)


@pytest.fixture
def layer() -> nn.LSTM:
    torch.manual_seed(0)
    return nn.LSTM(24, 32, batch_first=True)


@pytest.fixture
def bfloat16() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16):
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    shapes = ((5, 7, 24), (5, 32), (5, 32))
    x, h, c = (torch.randn(*shape).requires_grad_() for shape in shapes)
    return x, h, c


def results(layer: nn.LSTM, own: bool) -> list[Tensor]:
    """Outputs and state, then all gradients of a loss that reads each of them."""
    x, h, c = inputs()
    if own:
        y, h_last, c_last = scan(layer, x, h, c)
    else:
        y, (h_last, c_last) = layer(x, (h[None], c[None]))
        h_last, c_last = h_last[0], c_last[0]
    found = [y.float(), h_last, c_last]
    loss = sum((each * torch.linspace(-1, 1, each.shape[-1])).sum() for each in found)
    assert isinstance(loss, Tensor)
    return found + list(torch.autograd.grad(loss, [x, h, c, *layer.parameters()]))


@needs_product
def test_computes_the_layer_and_all_of_its_gradients(layer: nn.LSTM) -> None:
    expected, found = results(layer, own=False), results(layer, own=True)
    for theirs, ours in zip(expected, found, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        assert (ours - theirs).norm() < 0.01 * theirs.norm()  # bfloat16 has 8 bits


@needs_product
@pytest.mark.parametrize("read", [0, 1, 2])
def test_gradients_of_a_loss_that_reads_one_result(layer: nn.LSTM, read: int) -> None:
    """Autograd then gives no gradient, or one that has no memory of its own, to the others."""
    x, h, c = inputs()
    wanted = [x, h, c, *layer.parameters()]
    y, (h_last, c_last) = layer(x, (h[None], c[None]))
    expected = torch.autograd.grad((y, h_last, c_last)[read].sum(), wanted)
    loss = scan(layer, x, h, c)[read].float().sum()
    found = torch.autograd.grad(loss, wanted, retain_graph=True)
    for theirs, ours in zip(expected, found, strict=True):
        assert (ours - theirs).norm() < 0.01 * theirs.norm()
    again = torch.autograd.grad(loss, wanted)
    assert all(map(torch.equal, found, again)), "the backward pass has changed what it reads"


@needs_product
def test_the_state_carries_over(layer: nn.LSTM) -> None:
    x, h, c = inputs()
    whole, h_whole, c_whole = scan(layer, x, h, c)
    first, h_half, c_half = scan(layer, x[:, :3], h, c)
    second, h_last, c_last = scan(layer, x[:, 3:], h_half, c_half)
    assert torch.equal(torch.cat([first, second], 1), whole)
    assert torch.equal(h_last, h_whole)
    assert torch.equal(c_last, c_whole)


@needs_product
@pytest.mark.usefixtures("bfloat16", "one_thread")
def test_pays_for_a_large_layer_in_training_only() -> None:
    large, small = nn.LSTM(512, 512), nn.LSTM(65, 512)
    x = torch.zeros(1, 1, 1)
    assert pays(large, x)
    assert not pays(small, x)
    with torch.no_grad():
        assert not pays(large, x)
    assert not pays(large.eval(), x)


@pytest.mark.usefixtures("one_thread")
def test_does_not_pay_in_float32() -> None:
    assert not pays(nn.LSTM(512, 512), torch.zeros(1, 1, 1))


@pytest.mark.usefixtures("bfloat16", "one_thread")
def test_is_left_out_if_torch_lacks_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", object())
    assert not pays(nn.LSTM(512, 512), torch.zeros(1, 1, 1))


@needs_product
@pytest.mark.usefixtures("bfloat16", "one_thread")
def test_a_model_trains_the_same_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    config = CharLSTMConfig(
        vocabulary=5, embedding=8, hidden=32, dropout_input=0, dropout_layer=0, dropout_output=0
    )
    torch.manual_seed(0)
    model, tokens = CharLSTM(config), torch.randint(5, (4, 6))

    def gradient() -> Tensor:
        logits, state = model(tokens, model.zeros(4))
        model.zero_grad()
        (logits.float().square().sum() + state[0].float().sum()).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    usual = gradient()
    monkeypatch.setattr(lstm_scan, "_LEAST_WEIGHTS", 0)
    assert not torch.equal(gradient(), usual)
    assert (gradient() - usual).norm() < 0.02 * usual.norm()
