"""Drawing tokens with torch."""

import torch

from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.decoding import generate, without_onednn


def char_lstm() -> CharLSTM:
    return CharLSTM(CharLSTMConfig(vocabulary=11, embedding=6, hidden=8, layers=2)).eval()


def test_the_seed_decides() -> None:
    model = char_lstm()
    one, same, other = (generate(model, 3, 40, seed=seed) for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 40
    assert set(one) <= set(range(11))


def test_low_temperature_takes_the_most_likely_token() -> None:
    """Each token is the most likely one after those before it."""
    model = char_lstm()
    drawn = generate(model, 3, 12, temperature=1e-6)
    read = torch.tensor([[3, *drawn[:-1]]])
    with torch.no_grad():
        logits, _ = model(read, model.zeros(1))
    assert drawn == logits[0].argmax(-1).tolist()


def test_onednn_is_off_inside_the_block_only() -> None:
    before = torch.backends.mkldnn.enabled
    with without_onednn():
        assert not torch.backends.mkldnn.enabled
    assert torch.backends.mkldnn.enabled == before
