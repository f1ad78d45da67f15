"""Held-out loss and temperature of a character model, as training measures them."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from rnn_train.data.streams import ArrayRing
from rnn_train.evaluation.temperature import Fit, fit_to_logits
from rnn_train.models.cells import State
from rnn_train.models.charlm import CharLSTM

_STREAMS = 32
_WINDOW = 256
_DOCUMENTS = 64
"""Documents that are read at once."""
_RECOVERY = 16
"""Characters after one that was never trained on, in which the state of the model is unusual."""
_MOST_LOGITS = 1 << 25
"""Logits that are computed at once, and that the temperature is fitted to."""


def held_out_loss(
    model: CharLSTM,
    tokens: NDArray[np.integer],
    streams: int = 0,
    temperature: float = 1.0,
    mark: int | None = None,
) -> float:
    """Computes the loss of a model on a text. The hidden state is carried.

    Args:
        model: in evaluation mode.
        tokens: [characters], at least 2.
        streams: number of parallel streams that the text is cut into. Each stream starts from the
            zero state. 0 chooses a number: each stream has at least 1000 characters, and there are
            at most 32. 1 gives the exact single pass.
        temperature: every logit is divided by it.
        mark: token between documents; each starts from the zero state. None: no documents.

    Returns:
        Nats per character.
    """
    total, count = 0.0, 0
    for logits, targets, _ in _read(model, tokens, streams, mark):
        total += float(cross_entropy(logits / temperature, targets, reduction="sum"))
        count += len(targets)
    return total / count


def fit_temperature(
    model: CharLSTM,
    tokens: NDArray[np.integer],
    mark: int | None = None,
    trained: NDArray[np.bool_] | None = None,
) -> Fit:
    """Fits the temperature on a held-out text, see `evaluation.temperature`.

    Args:
        model: in evaluation mode.
        tokens: [characters], at least 2. At most 32,000 characters are read, and less of a large
            vocabulary: 2^25 logits.
        mark: as for `held_out_loss`.
        trained: whether each token occurs in the training text, [vocabulary]; None: all do. A
            character that does not, and the `_RECOVERY` characters after it, do not count.
    """
    wanted = min(_STREAMS * 1000, max(_WINDOW, _MOST_LOGITS // model.config.vocabulary))
    counts = np.ones(len(tokens), bool) if trained is None else _settled(trained[tokens])
    read: list[tuple[Tensor, Tensor]] = []
    for logits, targets, places in _read(model, tokens, 0, mark):
        chosen = torch.from_numpy(counts[places]).to(targets.device)
        read.append((logits[chosen], targets[chosen]))
        if sum(len(each) for _, each in read) >= wanted:
            break
    logits, targets = (torch.cat(each)[:wanted] for each in zip(*read, strict=True))
    return fit_to_logits(logits, targets)


def _settled(trained: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns which characters of a text count, given whether each was trained on [characters]: it
    and the `_RECOVERY` characters before it must be."""
    missing = np.cumsum(~trained)
    before = np.zeros_like(missing)
    before[_RECOVERY + 1 :] = missing[: -_RECOVERY - 1]
    settled: NDArray[np.bool_] = missing == before
    return settled


@torch.inference_mode()
def _read(
    model: CharLSTM, tokens: NDArray[np.integer], streams: int, mark: int | None
) -> Iterator[tuple[Tensor, Tensor, NDArray[np.int64]]]:
    """Reads a text. Yields logits [characters, vocabulary], targets [characters], and the place of
    each target in the text [characters]."""
    device = model.embedding.weight.device
    if mark is not None:
        yield from _read_documents(model, tokens, mark)
        return
    count = streams or _stream_count(tokens)
    length = (len(tokens) - 1) // count
    size = max(1, min(_WINDOW, _MOST_LOGITS // (count * model.config.vocabulary)))
    state: State = model.zeros(count)
    for begin in range(0, length, size):
        end = min(begin + size, length) + 1
        rows = np.stack([tokens[i * length + begin : i * length + end] for i in range(count)])
        window = torch.from_numpy(rows.astype(np.int64)).to(device)
        logits, state = model(window[:, :-1], state)
        places = np.arange(count)[:, None] * length + np.arange(begin + 1, end)
        yield logits.float().flatten(0, 1), window[:, 1:].flatten(), places.flatten()


def _read_documents(
    model: CharLSTM, tokens: NDArray[np.integer], mark: int
) -> Iterator[tuple[Tensor, Tensor, NDArray[np.int64]]]:
    """Reads documents, each from the zero state, in batches of similar length."""
    device = model.embedding.weight.device
    marks = [0, *(np.flatnonzero(tokens[1:] == mark) + 1).tolist(), len(tokens) - 1]
    parts = np.stack([marks[:-1], marks[1:]], 1)
    lengths = parts[:, 1] - parts[:, 0]
    order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
    batch = max(1, min(_DOCUMENTS, _MOST_LOGITS // (_WINDOW * model.config.vocabulary)))
    ring = ArrayRing(np.asarray(tokens))
    # In random order, since a temperature is fitted to the first ones.
    for begin in np.random.default_rng(0).permutation(range(0, len(order), batch)).tolist():
        starts, left = (each[order[begin : begin + batch]] for each in (parts[:, 0], lengths))
        state: State = model.zeros(len(starts))
        while len(starts):
            size = min(_WINDOW, int(left[0]))
            rows = torch.from_numpy(ring.rows(starts % len(ring), size + 1).astype(np.int64))
            logits, state = model(rows[:, :-1].to(device), state)
            counted = torch.from_numpy(np.arange(size) < left[:, None])
            targets = rows[:, 1:][counted].to(device)
            places = (starts[:, None] + np.arange(1, size + 1))[counted.numpy()]
            yield logits.float()[counted.to(device)], targets, places
            going = int(np.count_nonzero(left > size))
            starts, left = starts[:going] + size, left[:going] - size
            state = tuple(each[:going] for each in state)


def bits(nats: float) -> float:
    """Converts nats to bits."""
    return nats / math.log(2)


def _stream_count(tokens: NDArray[np.integer]) -> int:
    return max(1, min(_STREAMS, len(tokens) // 1000))
