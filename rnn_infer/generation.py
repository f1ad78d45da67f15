"""Generation in a batch: several prompts in, one drawn text for each out."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import Streams
from rnn_infer.sampling import Sampling, Uniforms, check_length, seeds_for
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary

_CHUNK = 128
"""Characters per draw. After each draw the streams that met a stop text leave the batch."""


@dataclass(frozen=True)
class Generation:
    """One generated text, and what is needed to draw it again."""

    prompt: str
    """The prompt as given."""
    text: str
    """The drawn text, without the prompt and without the stop text."""
    seed: int
    """The seed of this text."""
    stopped: str | None
    """The stop text that ended the text. None: it ended at the length."""


@dataclass
class _Draft:
    """One text while it is being drawn."""

    scanner: StopScanner
    text: str = ""
    stopped: str | None = None

    def add(self, piece: str) -> None:
        scanned = self.scanner.scan(piece)
        self.text += scanned.text
        self.stopped = scanned.stopped


def complete(
    stepper: Stepper,
    vocabulary: Vocabulary,
    prompts: Sequence[str],
    length: int,
    sampling: Sampling,
    seed: int | Sequence[int] | None,
    stop: str | Sequence[str],
    unknown: Unknown,
) -> list[Generation]:
    """Draw the text that follows each prompt. Arguments and errors: see `CharLM.complete`."""
    check_length(length)
    seeds = seeds_for(seed, len(prompts))
    streams = Streams(stepper, [Uniforms(each) for each in seeds])
    drafts = [_Draft(StopScanner(stop)) for _ in prompts]
    if prompts:
        streams.feed([vocabulary.encode_prompt(prompt, unknown) for prompt in prompts])
    _draw(streams, vocabulary, drafts, length, sampling)
    return [
        Generation(prompt, draft.text + draft.scanner.rest(), own_seed, draft.stopped)
        for prompt, draft, own_seed in zip(prompts, drafts, seeds, strict=True)
    ]


def _draw(
    streams: Streams,
    vocabulary: Vocabulary,
    drafts: list[_Draft],
    length: int,
    sampling: Sampling,
) -> None:
    """Draw up to `length` characters for each draft. Row i of `streams` belongs to draft i."""
    running, left = drafts, length
    while left and running:
        count = min(_CHUNK, left)
        drawn = streams.draw(count, sampling)
        left -= count
        for tokens, draft in zip(drawn, running, strict=True):
            draft.add(vocabulary.decode(tokens))
        going = [row for row, draft in enumerate(running) if draft.stopped is None]
        if len(going) < len(running):
            running = [running[row] for row in going]
            streams.keep(going)
