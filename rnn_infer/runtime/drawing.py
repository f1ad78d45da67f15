"""Drawing the next tokens of a batch, each row by its own rule.

A plain row is drawn by the graph of the file, many tokens in one call. A row whose rule changes
the logits is drawn by steps: one call for each token, then the draw in numpy. The unknown token,
which no plain rule may give, is seldom drawn; where the graph gave it, it is drawn again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.reading import read_ragged
from rnn_infer.runtime.repetition import add, repetitions
from rnn_infer.runtime.stepper import State, Stepper
from rnn_infer.sampling import draw, draw_again
from rnn_infer.text.ragged import Tokens

Numbers = NDArray[np.float32]
Recent = Sequence[Tokens]
"""For each row the last tokens that it drew with a repetition penalty."""
NOTHING: Tokens = np.empty(0, np.int64)
"""The recent tokens of a row that drew none with a penalty."""


class Moment(NamedTuple):
    """Where the rows of a batch stand. The arrays are never changed in place."""

    pending: Tokens
    """The last token of each row, which the state has not read yet, [batch]."""
    state: State
    recent: Recent

    def rows(self, rows: Sequence[int]) -> "Moment":
        """Return some of the rows."""
        state = tuple(each[rows] for each in self.state)
        return Moment(self.pending[rows], state, [self.recent[row] for row in rows])


def draw_tokens(
    stepper: Stepper, start: Moment, uniform: Numbers, rules: DrawRule | Sequence[DrawRule]
) -> tuple[Tokens, Moment]:
    """Draw the next tokens of each row.

    Args:
        stepper: the open model.
        start: where the rows stand.
        uniform: [batch, steps], steps ≥ 1.
        rules: one for all rows, or one per row.

    Returns:
        Tokens [batch, steps], and where the rows stand then.

    Raises:
        ModelFileError: the graph fails; or a row drawn by steps gets logits that are NaN or +inf.
    """
    batch = len(uniform)
    if isinstance(rules, DrawRule):
        if not rules.by_steps:
            return _plain(stepper, start, uniform, [rules])
        rules = [rules] * batch
    slow = [row for row, rule in enumerate(rules) if rule.by_steps]
    if not slow:
        return _plain(stepper, start, uniform, rules)
    if len(slow) == batch:
        return _by_steps(stepper, start, uniform, rules)
    fast = [row for row, rule in enumerate(rules) if not rule.by_steps]
    tokens, state = np.empty(uniform.shape, np.int64), tuple(each.copy() for each in start.state)
    recent = list(start.recent)
    for rows, way in ((fast, _plain), (slow, _by_steps)):
        own = [rules[row] for row in rows]
        tokens[rows], after = way(stepper, start.rows(rows), uniform[rows], own)
        for whole, part in zip(state, after.state, strict=True):
            whole[rows] = part
        for row, found in zip(rows, after.recent, strict=True):
            recent[row] = found
    return tokens, Moment(tokens[:, -1], state, recent)


# --- plain rows: the graph draws ------------------------------------------------------


def _plain(
    stepper: Stepper, start: Moment, uniform: Numbers, rules: Sequence[DrawRule]
) -> tuple[Tokens, Moment]:
    """Draw rows that are left as the graph draws them. One rule may stand for all."""
    one = len(rules) == 1
    sampling = rules[0].sampling if one else [rule.sampling for rule in rules]
    tokens, state = stepper.draw(start.pending[:, None], start.state, uniform, sampling)
    unknown = rules[0].unknown  # that of the file: a rule that names it is not plain
    if unknown is not None and (tokens == unknown).any():
        rows = np.flatnonzero((tokens == unknown).any(-1)).tolist()
        own = [rules[0 if one else row] for row in rows]
        tokens, state = tokens.copy(), tuple(each.copy() for each in state)
        tokens[rows], part = _without_unknown(
            stepper, start.rows(rows), uniform[rows], own, tokens[rows]
        )
        for whole, found in zip(state, part, strict=True):
            whole[rows] = found
    return tokens, Moment(tokens[:, -1], state, start.recent)


def _without_unknown(
    stepper: Stepper, start: Moment, uniform: Numbers, rules: Sequence[DrawRule], tokens: Tokens
) -> tuple[Tokens, State]:
    """Draw unknown tokens again, and what follows them, from the first in each row on.

    Args:
        stepper, start, uniform, rules: as in `draw_tokens`.
        tokens: what the graph has drawn, [batch, steps].

    Returns:
        Tokens [batch, steps], and the states that have read all but the last.
    """
    tokens, steps = tokens.copy(), tokens.shape[1]
    done = np.zeros(len(tokens), np.int64)
    while True:
        found = (tokens == rules[0].unknown) & (np.arange(steps) >= done[:, None])
        rows = np.flatnonzero(found.any(-1)).tolist()
        before = np.concatenate([start.pending[:, None], tokens[:, :-1]], 1)
        if not rows:
            return tokens, read_ragged(stepper, start.state, list(before))
        at = found[rows].argmax(-1)
        own = [rules[row] for row in rows]
        texts = [before[row, :end] for row, end in zip(rows, at, strict=True)]
        state = read_ragged(stepper, tuple(each[rows] for each in start.state), texts)
        logits, state = stepper.forward(before[rows, at][:, None], state)
        tokens[rows, at] = _draw_rows(logits[:, -1], uniform[rows, at], _groups(own))
        done[rows] = at + 1
        left = steps - done[rows]
        numbers = np.zeros((len(rows), max(1, left.max())), np.float32)
        for i, row in enumerate(rows):
            numbers[i, : left[i]] = uniform[row, done[row] :]
        sampling = [rule.sampling for rule in own]
        more, _ = stepper.draw(tokens[rows, at][:, None], state, numbers, sampling)
        for i, row in enumerate(rows):
            tokens[row, done[row] :] = more[i, : left[i]]


# --- other rows: numpy draws, step by step --------------------------------------------


def _by_steps(
    stepper: Stepper, start: Moment, uniform: Numbers, rules: Sequence[DrawRule]
) -> tuple[Tokens, Moment]:
    """Draw rows whose logits are changed before each draw."""
    pending, state, recent = start.pending, start.state, list(start.recent)
    size = stepper.file.metadata.outputs
    bias = np.stack([np.zeros(size, "f4") if rule.bias is None else rule.bias for rule in rules])
    penalties = np.log([rule.sampling.repetition_penalty for rule in rules]).astype(np.float32)
    penalised, groups = np.flatnonzero(penalties).tolist(), _groups(rules)
    tokens = np.empty(uniform.shape, np.int64)
    for step in range(uniform.shape[1]):
        found, state = stepper.forward(pending[:, None], state)
        logits = found[:, -1] + bias
        for row in penalised:
            logits[row] -= penalties[row] * repetitions(recent[row], size)
        if not np.isfinite(logits.max(-1)).all():  # else token 0 would come, even if forbidden
            raise stepper.file.not_finite()
        pending = tokens[:, step] = _draw_rows(logits, uniform[:, step], groups)
        for row in penalised:
            recent[row] = add(recent[row], pending[row])
    return tokens, Moment(pending, state, recent)


def _groups(rules: Sequence[DrawRule]) -> list[tuple[DrawRule, list[int]]]:
    """Return the rows of each kind of filters, with the first rule of that kind."""
    found: dict[object, tuple[DrawRule, list[int]]] = {}
    for row, rule in enumerate(rules):
        found.setdefault(rule.filters, (rule, []))[1].append(row)
    return list(found.values())


def _draw_rows(
    logits: Numbers, uniform: Numbers, groups: list[tuple[DrawRule, list[int]]]
) -> Tokens:
    """Draw one token per row, [batch]. Rows with equal filters are drawn at once."""
    tokens = np.empty(len(logits), np.int64)
    for rule, rows in groups:
        tokens[rows] = draw(logits[rows], uniform[rows], rule.sampling)
        if rule.unknown is None:
            continue
        if again := [row for row in rows if tokens[row] == rule.unknown]:
            tokens[again] = draw_again(logits[again], uniform[again], rule.sampling, rule.unknown)
    return tokens
