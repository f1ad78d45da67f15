"""A synthetic corpus: texts by seed, drawn in any engine.

Text i is drawn with seed i, so a range of seeds is a task of its own. However the seeds are
shared out, the corpus is the same, and a task that is lost can be drawn again.
"""

from dataclasses import dataclass

from rnn_infer import CharLM


@dataclass(frozen=True)
class Draw:
    """Draws the texts of a range of seeds. Its pickle opens the model once a process."""

    lm: CharLM
    prompt: str = ""
    length: int = 1000
    """Characters of a text."""

    def __call__(self, seeds: range) -> list[str]:
        return self.lm.generate([self.prompt] * len(seeds), length=self.length, seed=list(seeds))


def tasks(texts: int, size: int = 64) -> list[range]:
    """Share out the seeds from 0 to `texts`. A task is one batch, so some dozens of texts."""
    return [range(begin, min(begin + size, texts)) for begin in range(0, texts, size)]
