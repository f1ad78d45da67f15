"""The character model: what it computes, and its dropout in training."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.parameters import parameter_count

BATCH, TIME, VOCABULARY = 3, 9, 11


def char_lstm(**shape: Any) -> CharLSTM:
    chosen = {"vocabulary": VOCABULARY, "embedding": 6, "hidden": 8, "layers": 2} | shape
    return CharLSTM(CharLSTMConfig(**chosen))


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(VOCABULARY, (BATCH, TIME))


def same(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2, 3])
@torch.no_grad()
def test_layers_equal_one_torch_lstm(layers: int, tokens: Tensor) -> None:
    model = char_lstm(layers=layers).eval()
    reference = nn.LSTM(6, 8, layers, batch_first=True)
    for index, layer in enumerate(model.layers):
        for name, value in layer.named_parameters():
            reference.get_parameter(name.replace("l0", f"l{index}")).copy_(value)
    state = tuple(torch.randn(BATCH, 8) for _ in range(2 * layers))
    logits, after = model(tokens, state)
    outputs, (h, c) = reference(
        model.embedding(tokens), (torch.stack(state[::2]), torch.stack(state[1::2]))
    )
    same(logits, model.head(outputs))
    same(torch.stack(after[::2]), h)
    same(torch.stack(after[1::2]), c)


@torch.no_grad()
def test_head_may_read_all_layers(tokens: Tensor) -> None:
    model = char_lstm(layers=2, skip=True).eval()
    assert isinstance(model.head, nn.Linear)
    lower, upper = model.lstms()
    first, _ = lower(model.embedding(tokens))
    second, _ = upper(first)
    weights = model.head.weight[:, :8], model.head.weight[:, 8:]
    expected = first @ weights[0].T + second @ weights[1].T + model.head.bias
    same(model(tokens, model.zeros(BATCH))[0], expected)


@pytest.mark.parametrize("head", [0, 5])
@torch.no_grad()
def test_pieces_equal_the_whole_sequence(head: int, tokens: Tensor) -> None:
    model = char_lstm(head=head).eval()
    whole, last = model(tokens, model.zeros(BATCH))
    first, state = model(tokens[:, :4], model.zeros(BATCH))
    second, state = model(tokens[:, 4:], state)
    same(torch.cat([first, second], 1), whole)
    for ours, expected in zip(state, last, strict=True):
        same(ours, expected)


def test_head(tokens: Tensor) -> None:
    plain, deep = char_lstm(head=0), char_lstm(head=5)
    assert parameter_count(plain.head) == 8 * VOCABULARY + VOCABULARY
    assert parameter_count(deep.head) == 8 * 5 + 5 + 5 * VOCABULARY + VOCABULARY
    assert deep(tokens, deep.zeros(BATCH))[0].shape == (BATCH, TIME, VOCABULARY)


def test_forget_gates_start_open() -> None:
    for layer in char_lstm().layers:
        total = layer.get_parameter("bias_ih_l0") + layer.get_parameter("bias_hh_l0")
        assert total.tolist() == [0] * 8 + [1] * 8 + [0] * 16


@pytest.mark.parametrize("place", ["dropout_input", "dropout_layer", "dropout_output"])
def test_dropout_keeps_one_mask_a_sequence(place: str) -> None:
    off = {"dropout_input": 0.0, "dropout_layer": 0.0, "dropout_output": 0.0}
    model = char_lstm(embedding=64, hidden=64, **{**off, place: 0.5})
    seen: dict[str, Tensor] = {}

    def see(name: str, module: nn.Module, of_input: bool) -> None:
        def hook(_: nn.Module, given: Any, gave: Any) -> None:
            value = given[0] if of_input else gave
            seen[name] = value[0] if isinstance(value, tuple) else value

        module.register_forward_hook(hook)

    before, after = {
        "dropout_input": (model.embedding, model.layers[0]),
        "dropout_layer": (model.layers[0], model.layers[1]),
        "dropout_output": (model.layers[1], model.head),
    }[place]
    see("whole", before, of_input=False)
    see("dropped", after, of_input=True)
    tokens = torch.randint(VOCABULARY, (BATCH, TIME))
    model(tokens, model.zeros(BATCH))
    mask = seen["dropped"] / seen["whole"]
    torch.testing.assert_close(mask, mask[:, :1].expand_as(mask))
    assert set(mask.round(decimals=3).flatten().tolist()) == {0.0, 2.0}
    assert 0.3 < (mask == 0).float().mean() < 0.7
    for one, other in itertools.combinations(mask[:, 0], 2):
        assert not torch.equal(one, other)
    first = mask
    model(tokens, model.zeros(BATCH))
    assert not torch.equal(first, seen["dropped"] / seen["whole"]), "the mask is never redrawn"

    model.eval()
    model(tokens, model.zeros(BATCH))
    assert torch.equal(seen["dropped"], seen["whole"])


def recurrent(model: CharLSTM) -> list[nn.Parameter]:
    return [layer.get_parameter("weight_hh_l0") for layer in model.layers]


def test_weight_drop_zeroes_its_share_and_restores_the_weights() -> None:
    model = char_lstm(hidden=48, weight_drop=0.3)
    before = {name: value.clone() for name, value in model.named_parameters()}
    places = [weight.data_ptr() for weight in recurrent(model)]
    with model.dropped_weights():
        for layer, weight in enumerate(recurrent(model)):
            original = before[f"layers.{layer}.weight_hh_l0"]
            zero = weight == 0
            assert 0.27 < zero.float().mean() < 0.33
            same(weight[~zero], original[~zero] / 0.7)
        unchanged = {n: v for n, v in model.named_parameters() if not n.endswith("weight_hh_l0")}
        assert all(torch.equal(value, before[name]) for name, value in unchanged.items())
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert [weight.data_ptr() for weight in recurrent(model)] == places


def test_weight_drop_draws_a_new_mask_each_time() -> None:
    model = char_lstm(weight_drop=0.5)
    with model.dropped_weights():
        first = [weight.clone() for weight in recurrent(model)]
    with model.dropped_weights():
        assert not any(map(torch.equal, first, recurrent(model)))


def test_weight_drop_masks_the_gradient(tokens: Tensor) -> None:
    model = char_lstm(weight_drop=0.5, dropout_input=0, dropout_layer=0, dropout_output=0)
    with model.dropped_weights():
        dropped = {name: value.detach().clone() for name, value in model.named_parameters()}
        model(tokens, model.zeros(BATCH))[0].square().sum().backward()

    plain = char_lstm(dropout_input=0, dropout_layer=0, dropout_output=0)
    plain.load_state_dict(dropped)
    plain(tokens, plain.zeros(BATCH))[0].square().sum().backward()
    for ours, expected in zip(model.parameters(), plain.parameters(), strict=True):
        assert ours.grad is not None
        assert expected.grad is not None
        if any(ours is weight for weight in recurrent(model)):
            # d/dw of f(w * m) is m * f'(w * m); kept weights are doubled at a rate of one half.
            mask = 2.0 * (expected != 0)
            assert (mask == 0).any()
            same(ours.grad, expected.grad * mask)
        else:
            same(ours.grad, expected.grad)


def test_weights_are_restored_after_an_error() -> None:
    model = char_lstm(weight_drop=0.5)
    before = [weight.clone() for weight in recurrent(model)]
    with pytest.raises(ZeroDivisionError), model.dropped_weights():
        raise ZeroDivisionError
    assert all(map(torch.equal, before, recurrent(model)))


@pytest.mark.parametrize(("rate", "training"), [(0.0, True), (0.5, False)])
def test_weight_drop_is_off(rate: float, training: bool) -> None:
    model = char_lstm(weight_drop=rate).train(training)
    before = [weight.clone() for weight in recurrent(model)]
    with model.dropped_weights():
        assert all(map(torch.equal, before, recurrent(model)))


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("head", [0, 5])
@pytest.mark.parametrize("skip", [True, False])
def test_number_of_weights(layers: int, head: int, skip: bool) -> None:
    model = char_lstm(layers=layers, head=head, skip=skip)
    assert model.config.weights == parameter_count(model)


def test_bytes_of_a_batch_are_not_too_many() -> None:
    """They are a lower bound: what autograd keeps is more."""
    model = char_lstm(hidden=64, layers=2)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    tokens = torch.randint(VOCABULARY, (16, 33))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logits, _ = model(tokens[:, :-1], model.zeros(16))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.isfinite()
    assert model.config.batch_bytes(16 * 32) <= 1.2 * sum(kept.values())
