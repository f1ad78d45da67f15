"""Weights of an earlier model in a larger one: known characters and labels keep their rows."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from rnn_train.errors import RunError
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier

_TOLERANCE = 1e-3
"""Largest difference between the logits of both models, relative to the largest logit."""


def grow_charlm(weights: Mapping[str, Tensor], model: CharLSTM) -> None:
    """Loads weights into a model that has more characters, after the known ones.

    A new character starts with a random vector, and is less likely than any known one.

    Args:
        weights: of the earlier model, by name.
        model: the new model, with random weights.
    """
    state = model.state_dict()
    for name, target in state.items():
        source = weights[name]
        known = len(source)
        if known < len(target) and not name.startswith("embedding"):
            target[known:] = source.mean(0) if source.ndim > 1 else source.min()
        target[:known] = source
    model.load_state_dict(state)


def grow_classifier(
    earlier: RecurrentClassifier, model: RecurrentClassifier, unknown: int, where: str
) -> None:
    """Loads the weights of an earlier classifier into one with more characters and labels, which
    stand after the known ones.

    A new character starts with the vector of the unknown token. A new label starts with the mean of
    the known ones, and no evidence.

    Args:
        earlier: the earlier model.
        model: the new one, with random weights. It may differ in vocabulary and labels only.
        unknown: token of unknown characters.
        where: the earlier model, for the message.

    Raises:
        RunError: the parameters of the cell cannot be matched.
    """
    old, state = earlier.state_dict(), model.state_dict()
    columns = _columns(earlier.config), _columns(model.config)
    for name, target in state.items():
        source = old[name]
        known = len(source)
        if name.startswith("embedding"):
            target[:known], target[known:] = source, source[unknown]
        elif name.endswith(".evidence"):
            target.zero_()
            target[:, : source.shape[1]] = source
        elif name.startswith("readout"):
            wide = _widened(source, (known, *target.shape[1:]), columns[0][-1], columns[1][-1])
            new = wide.mean(0)
            target[:known], target[known:] = (
                wide,
                new if new.ndim else new - torch.tensor(known).log(),
            )
        else:
            layer = int(name.split(".")[1]) - _first(model.config)
            inputs = [each[layer] if layer >= 0 else [] for each in columns]
            target.copy_(_widened(source, tuple(target.shape), *inputs))
    model.load_state_dict(state)
    _prove(earlier, model, where)


def _first(config: ClassifierConfig) -> int:
    """Place of the first recurrent layer among all layers."""
    return int(config.reads_ngrams)


def _columns(config: ClassifierConfig) -> list[list[object]]:
    """Names the columns that each recurrent layer reads, and those that the readout reads."""
    evidence: list[object] = [
        (order, label) for order in range(config.evidence - 1) for label in range(config.labels)
    ]
    vectors = config.vector_tables * config.ngram_width
    hidden: list[object] = list(range(config.hidden))
    # Columns that pass the recurrent layers by.
    passed = [*(("bag", each) for each in range(vectors if config.bag else 0)), *evidence]
    first = [*range(config.embedding + vectors), *evidence]
    inputs = [first, *([*hidden, *passed] for _ in range(config.layers - 1))]
    last = [*hidden, *passed]
    if config.pool:
        last = [*last, *(("mean", each) for each in last), *(("max", each) for each in hidden)]
    return [*inputs, last]


def _widened(
    source: Tensor, shape: Sequence[int], old: Sequence[object], new: Sequence[object]
) -> Tensor:
    """Returns a tensor in a larger shape. Each input column that `old` names goes to its place in
    `new`; columns after the inputs follow them; the others are zero."""
    places = {name: place for place, name in enumerate(new)}
    more = len(new) - len(old)
    result = source
    for axis, (before, after) in enumerate(zip(source.shape, shape, strict=True)):
        if before == after:
            continue
        if after - before != more:
            raise RunError("the parameters of the cell have another shape; start a new run")
        index = [places[name] for name in old] + list(range(len(new), after))
        sizes = [*result.shape[:axis], after, *result.shape[axis + 1 :]]
        result = result.new_zeros(sizes).index_copy(axis, torch.tensor(index), result)
    return result


@torch.inference_mode()
def _prove(earlier: RecurrentClassifier, model: RecurrentClassifier, where: str) -> None:
    """Checks that both models give known labels the same logits."""
    earlier, model = earlier.eval(), model.eval()
    random = torch.Generator().manual_seed(0)
    tokens = torch.randint(earlier.config.vocabulary, (4, 12), generator=random)
    before, _ = earlier(tokens, earlier.zeros(4))
    after, _ = model(tokens, model.zeros(4))
    model.train()
    difference = (before - after[..., : before.shape[-1]]).abs().max()
    if not difference <= _TOLERANCE * max(1.0, float(before.abs().max())):
        raise RunError(
            f"{where}: the weights of cell {earlier.config.cell} cannot be carried over to more "
            "labels, because its inputs are not the first columns of its matrices; keep the labels "
            "as they are, or train a new model without --init-from"
        )
