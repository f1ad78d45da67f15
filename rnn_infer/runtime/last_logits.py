"""The logits after the last token of many texts of different lengths.

Texts are read in batches of similar length, and many texts share the reading of their common
prefixes: see `rnn_infer.text.prefix_tree`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.reading import chunk_length
from rnn_infer.runtime.shortening import shortens
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.text.prefix_tree import PrefixTree
from rnn_infer.text.ragged import Ragged

_BATCH = 160
"""Texts per call. The data between two operators then stays in a near cache for short texts."""
_ALIKE = 320
"""Texts of one length per call of a file that can compute the last logits alone."""
_LEAST_LOGITS, _LEAST_ALIKE = 432, 4
"""If texts of one length have fewer logits, or are fewer, they share a call with texts of another
length, which computes all logits: a call has a fixed cost."""
_STEP_BATCH = 1024
"""Texts per call of a single step. More than `_BATCH`, because each call has a fixed cost."""
_BLOCK, _LEAST_BLOCK = 2**14, 2**12
"""Texts that share one prefix tree: the more, the more of them have a common prefix."""
_BLOCK_STATES = 2**23
"""Numbers in the states of a block, about. A block of a wide model has fewer texts."""
_LEAST_FOR_TREE = 512
"""With fewer texts a prefix tree costs more than it saves."""

Logits = NDArray[np.float32]
Rows = NDArray[np.int64]


def last_logits(stepper: Stepper, texts: Ragged) -> Logits:
    """Read each text from the zero state.

    Args:
        stepper: the open model.
        texts: token sequences, none empty.

    Returns:
        [texts, n]: the logits after the last token of each text.
    """
    count = len(texts.lengths)
    logits = np.empty((count, stepper.file.metadata.outputs), np.float32)
    width = sum(state.width for state in stepper.file.states)
    block = max(_LEAST_BLOCK, min(_BLOCK, _BLOCK_STATES // width)) if width else _BLOCK
    for begin in range(0, count, block):
        rows = np.arange(begin, min(begin + block, count))
        if len(rows) < _LEAST_FOR_TREE:
            parents = np.zeros(len(rows), np.int64)
            logits[rows] = _read_from(stepper, texts, rows, 0, stepper.zeros(1), parents)
        else:
            tree = PrefixTree(texts, rows)
            copies, places = tree.copies
            logits[copies] = _read_tree(stepper, texts, tree)[places]
    return logits


def _read_tree(stepper: Stepper, texts: Ragged, tree: PrefixTree) -> Logits:
    """Logits [distinct texts, n]: common prefixes are read once, then each text by itself."""
    found = np.empty((len(tree.rows), stepper.file.metadata.outputs), np.float32)
    state, nodes, depth = stepper.zeros(1), np.zeros(len(tree.rows), np.int64), 0
    for level in tree.levels():
        nodes, depth = level.nodes, depth + 1
        if shortens(stepper.file):
            places = nodes[level.ended]
            if len(places):
                ends, before = level.tokens[places], level.parents[places]
                found[level.ended] = _step(stepper, ends, state, before)[0]
            state = _advance(stepper, level.tokens, state, level.parents)
        else:
            logits, state = _step(stepper, level.tokens, state, level.parents)
            found[level.ended] = logits[nodes[level.ended]]
    left = np.flatnonzero(tree.lengths > depth)
    found[left] = _read_from(stepper, texts, tree.rows[left], depth, state, nodes[left])
    return found


def _step(stepper: Stepper, tokens: Rows, state: State, parents: Rows) -> tuple[Logits, State]:
    """Read one token per row, each from the row `parents[i]` of `state`."""
    parts = []
    for begin in range(0, len(tokens), _STEP_BATCH):
        some = slice(begin, begin + _STEP_BATCH)
        parts.append(stepper.forward(tokens[some, None], _rows_of(state, parents[some])))
    logits = np.concatenate([part[0][:, 0] for part in parts])
    return logits, tuple(map(np.concatenate, zip(*(part[1] for part in parts), strict=True)))


def _advance(stepper: Stepper, tokens: Rows, state: State, parents: Rows) -> State:
    """Do as `_step`, without logits."""
    parts = []
    for begin in range(0, len(tokens), _STEP_BATCH):
        some = slice(begin, begin + _STEP_BATCH)
        parts.append(stepper.consume(tokens[some, None], _rows_of(state, parents[some])))
    return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))


def _rows_of(state: State, rows: Rows) -> State:
    """Return a row of the state for each text. `take` is several times faster than an index."""
    return tuple(each.take(rows, 0) for each in state)


def _read_from(
    stepper: Stepper, texts: Ragged, rows: Rows, start: int, state: State, parents: Rows
) -> Logits:
    """Read the texts `rows` from token `start` on, text i from the row `parents[i]` of `state`."""
    logits = np.empty((len(rows), stepper.file.metadata.outputs), np.float32)
    # Sorted by length, so that a batch needs little padding.
    order = np.argsort(texts.lengths[rows], kind="stable")
    rows, parents = rows[order], parents[order]
    begins, lengths = texts.starts[rows] + start, texts.lengths[rows] - start
    labels = stepper.file.metadata.outputs
    least = max(_LEAST_ALIKE, _LEAST_LOGITS // labels) if shortens(stepper.file) else 0
    for some in _batches(lengths, least):
        own = _rows_of(state, parents[some])
        longest, count = int(lengths[some][-1]), len(lengths[some])
        if longest <= chunk_length(stepper, count):
            # Padding is what stands behind the text: it comes after the last token, so it does not
            # change the logits that are kept.
            places = begins[some, None] + np.arange(longest)
            tokens = texts.tokens.take(places, mode="clip")
            if lengths[some][0] == longest:
                logits[order[some]] = stepper.last(tokens, own)
            else:
                found = stepper.logits(tokens, own)
                logits[order[some]] = found[np.arange(count), lengths[some] - 1]
        else:
            logits[order[some]] = _read_batch(stepper, texts, rows[some], start, own)
    return logits


def _batches(lengths: Rows, least_alike: int) -> Iterator[slice]:
    """Yield the batches of sorted texts.

    Args:
        lengths: of the texts, ascending.
        least_alike: how many texts of one length make a batch of their own. 0: the length does not
            matter.
    """
    begin, count, most = 0, len(lengths), _BATCH
    ends = np.array([count])
    if least_alike:
        ends, most = np.append(np.flatnonzero(np.diff(lengths)) + 1, count), _ALIKE
    for end in ends.tolist():
        if end < count and end - begin < least_alike:
            continue
        calls = -(-(end - begin) // most)
        size = max(1, -(-(end - begin) // max(calls, 1)))
        for first in range(begin, end, size):
            yield slice(first, min(first + size, end))
        begin = end


def _read_batch(stepper: Stepper, texts: Ragged, chosen: Rows, start: int, state: State) -> Logits:
    """Read the texts `chosen` from token `start` on, in one batch and in several calls.

    Shorter texts are padded at the end. A text leaves the batch at the first call that it has no
    token for.
    """
    lengths = texts.lengths[chosen]
    last = np.empty((len(chosen), stepper.file.metadata.outputs), np.float32)
    rows = np.arange(len(chosen))
    size = chunk_length(stepper, len(chosen))
    for begin in range(start, int(lengths.max()), size):
        going = lengths[rows] > begin
        if not going.all():
            rows, state = rows[going], tuple(each[going] for each in state)
        padded = texts.window(chosen[rows], begin, min(size, int(lengths.max()) - begin))
        logits, state = stepper.forward(padded, state)
        ended = np.flatnonzero(lengths[rows] <= begin + size)
        last[rows[ended]] = logits[ended, lengths[rows[ended]] - 1 - begin]
    return last
