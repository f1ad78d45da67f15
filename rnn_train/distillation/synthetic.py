"""Synthetic texts for a student: what its teachers predict for them is more to learn from.

On the training rows the teachers are nearly as sure as the labels are, so a student learns little
more than the labels. On new texts they show what they have learned. Buciluă et al., 2006, "Model
compression", label synthetic texts with an ensemble in this way. Here each text is a random walk
over the n-grams of the texts of one label.
"""

import random
from collections import defaultdict

from rnn_train.data.alphabet import BEGIN, END
from rnn_train.data.encoded_rows import AnyRows
from rnn_train.data.rows import normal

LONGEST = 100
"""Texts of more characters give no synthetic texts, and no synthetic text is longer."""
_CONTEXT = 2
"""A next character is drawn among those that follow the last 1 to so many characters."""
_TRIES = 10
"""Walks for each text at most: many of them end in a text that exists."""

Followers = dict[str, list[str]]
"""The characters that follow each context, as often as they do."""


def synthetic_texts(rows: AnyRows, count: int, seed: int) -> tuple[str, ...]:
    """Makes texts that resemble the rows. All are different, and none is a text of the rows.

    Args:
        rows: the training rows. A label has its share of the texts.
        count: texts to make.
        seed: of the random walks.

    Returns:
        The texts, fewer than `count` if not so many can be made.
    """
    texts = [normal(text) for text in rows.texts]
    by_label: dict[str, list[str]] = defaultdict(list)
    for text, label in zip(texts, rows.labels, strict=True):
        if 0 < len(text) <= LONGEST:
            by_label[label].append(BEGIN + text + END)
    if not by_label:
        return ()
    chance = random.Random(seed)
    labels = sorted(by_label)
    weights = [len(by_label[label]) for label in labels]
    followers = {label: _followers(by_label[label]) for label in labels}
    known, found = set(texts), list[str]()
    for label in chance.choices(labels, weights, k=_TRIES * count):
        text = _walk(followers[label], chance)
        if text and text not in known:
            known.add(text)
            found.append(text)
            if len(found) == count:
                break
    return tuple(found)


def _followers(texts: list[str]) -> Followers:
    """Collects what follows each context of up to `_CONTEXT` characters."""
    found: Followers = defaultdict(list)
    for text in texts:
        for end in range(1, len(text)):
            for begin in range(max(0, end - _CONTEXT), end):
                found[text[begin:end]].append(text[end])
    return found


def _walk(followers: Followers, chance: random.Random) -> str:
    """Draws a text, or "" if it would become too long."""
    text = BEGIN
    while len(text) <= LONGEST + 1:
        context = text[-chance.randint(1, _CONTEXT) :]
        while context not in followers:
            context = context[1:]
        following = chance.choice(followers[context])
        if following == END:
            return text[1:]
        text += following
    return ""
