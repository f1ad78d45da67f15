"""Generation in a batch: several prompts in, one drawn text for each out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from rnn_infer.errors import OptionError
from rnn_infer.runtime.draw_rule import DrawRule
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.runtime.streams import Streams
from rnn_infer.sampling import (
    DEFAULT_LENGTH,
    Sampling,
    SamplingKeywords,
    Uniforms,
    check_length,
    seeds_for,
    with_keywords,
)
from rnn_infer.text.column import read_column
from rnn_infer.text.stopping import StopScanner
from rnn_infer.text.vocabulary import Unknown, Vocabulary

_ITEM_CHUNK = 16
"""Characters per draw of new items, which are short."""
_BATCHES = range(16, 513)
"""Items that may be drawn at once."""
_LEAST_TRIES, _TRIES_EACH = 2000, 50
"""Items that are drawn before the search is given up: so many, or so many for each one wanted."""
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


class GenerateKeywords(SamplingKeywords, total=False):
    """Keywords of `CharLM.generate`. They mean the same as in `CharLM.complete`."""

    length: int
    seed: int | Sequence[int] | None
    stop: str | Sequence[str]
    unknown: Unknown
    sampling: Sampling | None


class ItemKeywords(SamplingKeywords, total=False):
    """Keywords of `CharLM.new_items`."""

    exclude: Iterable[str]
    min_length: int
    length: int
    seed: int | None
    stop: str | Sequence[str]
    unknown: Unknown
    sampling: Sampling | None


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
    prompts = _checked(prompts)
    rule = DrawRule.of(sampling, vocabulary)
    seeds = seeds_for(seed, len(prompts))
    stops = rule.stops(stop, vocabulary)
    return _complete(stepper, vocabulary, prompts, length, rule, seeds, stops, unknown, _CHUNK)


def _checked(prompts: Iterable[Any]) -> list[str]:
    """Return prompts as a list. Raises OptionError: they are no list, or one is no text."""
    found = read_column(prompts)
    if None in found:
        raise OptionError(f"prompt {found.index(None)} is missing; give a text, which may be empty")
    return [prompt for prompt in found if prompt is not None]


def _complete(
    stepper: Stepper,
    vocabulary: Vocabulary,
    prompts: Sequence[str],
    length: int,
    rule: DrawRule,
    seeds: Sequence[int],
    stops: Sequence[str],
    unknown: Unknown,
    chunk: int,
) -> list[Generation]:
    streams = Streams(stepper, [Uniforms(each) for each in seeds])
    drafts = [_Draft(StopScanner(stops)) for _ in prompts]
    if prompts:
        streams.feed([vocabulary.encode_prompt(prompt, unknown) for prompt in prompts])
    _draw(streams, vocabulary, drafts, length, rule, chunk)
    return [
        Generation(prompt, draft.text + draft.scanner.rest(), own_seed, draft.stopped)
        for prompt, draft, own_seed in zip(prompts, drafts, seeds, strict=True)
    ]


def _draw(
    streams: Streams,
    vocabulary: Vocabulary,
    drafts: list[_Draft],
    length: int,
    rule: DrawRule,
    chunk: int,
) -> None:
    """Draw up to `length` characters for each draft. Row i of `streams` belongs to draft i."""
    running, left = drafts, length
    while left and running:
        count = min(chunk, left)
        drawn = streams.draw(count, rule)
        left -= count
        for tokens, draft in zip(drawn, running, strict=True):
            draft.add(vocabulary.decode(tokens))
        going = [row for row, draft in enumerate(running) if draft.stopped is None]
        if len(going) < len(running):
            running = [running[row] for row in going]
            streams.keep(going)


def new_items(
    stepper: Stepper,
    vocabulary: Vocabulary,
    count: int,
    prompt: str,
    *,
    exclude: Iterable[str] = (),
    min_length: int = 1,
    length: int = DEFAULT_LENGTH,
    seed: int | None = None,
    stop: str | Sequence[str] = (),
    unknown: Unknown = "default",
    sampling: Sampling | None = None,
    **keywords: Unpack[SamplingKeywords],
) -> list[Generation]:
    """Draw different items. Arguments and errors: see `CharLM.new_items`."""
    for name, value in (("count", count), ("min_length", min_length)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise OptionError(f"{name} must be an integer of 0 or more, got {value!r}")
    check_length(length)
    excluded = _excluded(exclude, vocabulary)
    rule = DrawRule.of(with_keywords(sampling, keywords), vocabulary)
    stops = rule.stops(stop, vocabulary)
    if not stops:
        raise OptionError(_no_end(vocabulary))
    # An item is the prompt and what follows. Of documents, the last one of the prompt counts.
    begun = vocabulary.decode(vocabulary.encode_prompt(prompt, unknown)) if prompt else ""
    begun = begun.removeprefix(vocabulary.end or "")
    _check_possible(count, max(1, min_length), len(begun) + length - min(map(len, stops)), rule)
    # A prompt with unknown characters is read as another text. Both texts count.
    typed = vocabulary.normalize(prompt).rpartition(vocabulary.end or "\0")[2]
    chosen = _Items(count, (begun, typed), max(1, min_length), excluded)
    (first,), tries = seeds_for(seed, 1), 0
    while (size := chosen.batch(tries)) > 0:
        seeds = [first + tries + i for i in range(size)]
        chosen.take(
            _complete(
                stepper, vocabulary, [prompt] * size, length, rule, seeds, stops, unknown,
                _ITEM_CHUNK,
            )
        )  # fmt: skip
        tries += size
    return chosen.found[:count]


def _no_end(vocabulary: Vocabulary) -> str:
    if vocabulary.end is None:
        return "where an item ends is not known: train with --documents, or give a stop text"
    return (
        "no item can end: the end of a document is forbidden; allow it in logit_bias (--forbid, "
        "--bias), or give a stop text"
    )


def _check_possible(count: int, min_length: int, longest: int, rule: DrawRule) -> None:
    """Check that items can be found, before many are drawn.

    Args:
        count, min_length: as in `CharLM.new_items`.
        longest: characters of the longest item that can end.
        rule: how they are drawn.

    Raises:
        OptionError: they cannot.
    """
    if count and min_length > longest:
        raise OptionError(
            f"an item of min_length {min_length:,} and its end do not fit into the length; give a "
            "larger length, or a smaller min_length"
        )
    if count > 1 and rule.sampling.temperature == 0:
        raise OptionError(
            "at temperature 0 all items are the same; raise the temperature, or ask for one"
        )


def _excluded(exclude: Iterable[str], vocabulary: Vocabulary) -> set[str]:
    """Return the items that must not come out, as the model would write them.

    Raises:
        OptionError: they are not several texts.
    """
    if isinstance(exclude, str) or not isinstance(exclude, Iterable):
        raise OptionError(f"exclude must be several texts, got {exclude!r:.60}; give a list")
    texts = list(exclude)
    if not all(isinstance(each, str) for each in texts):
        raise OptionError("exclude must have texts only; convert the others")
    known = set(vocabulary.chars)
    return {
        text if known.issuperset(text) else vocabulary.in_known_forms(text)
        for text in map(vocabulary.normalize, texts)
    }


class _Items:
    """The items that were found so far. They do not depend on the sizes of the batches."""

    def __init__(
        self, count: int, begins: tuple[str, ...], min_length: int, known: set[str]
    ) -> None:
        self.found: list[Generation] = []
        self._count, self._begins, self._min_length = count, begins, min_length
        self._known = known

    def take(self, drawn: Iterable[Generation]) -> None:
        """Keep the texts that are new items."""
        for each in drawn:
            items = {begin + each.text for begin in self._begins}
            long_enough = min(map(len, items)) >= self._min_length
            if each.stopped and long_enough and not items & self._known:
                self._known |= items
                self.found.append(each)

    def batch(self, tries: int) -> int:
        """Return how many texts to draw next, given the number drawn so far. 0: none is needed.

        Raises:
            OptionError: there were too many tries.
        """
        left = self._count - len(self.found)
        limit = max(_LEAST_TRIES, _TRIES_EACH * self._count)
        if left > 0 and tries >= limit:
            raise OptionError(
                f"only {len(self.found):,} of {self._count:,} new items in {tries:,} tries; ask "
                "for fewer, raise the temperature, or exclude less"
            )
        wanted = left * (tries + 1) // (len(self.found) + 1)
        size = min(max(wanted, _BATCHES.start), _BATCHES.stop - 1, limit - tries)
        return size if left > 0 else 0
