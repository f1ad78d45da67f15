"""A character language model: generate, stream, score, and predict the next character."""

from collections.abc import Iterator, Sequence
from typing import Unpack, overload

from rnn_infer import generation
from rnn_infer.errors import OptionError, WrongKindError
from rnn_infer.generation import GenerateKeywords, Generation, ItemKeywords
from rnn_infer.pooling.pool import StreamPool
from rnn_infer.runtime.loaded_model import LoadedModel
from rnn_infer.runtime.stepper import Stepper
from rnn_infer.sampling import (
    DEFAULT_LENGTH,
    STREAM_CHUNK,
    Sampling,
    SamplingKeywords,
    is_integer,
    seeds_for,
    with_keywords,
)
from rnn_infer.scoring import NextChar, Score, most_likely, score, score_all, score_documents
from rnn_infer.session import Session
from rnn_infer.text.column import require_texts
from rnn_infer.text.ragged import Ragged
from rnn_infer.text.vocabulary import Unknown, Vocabulary


class CharLM(LoadedModel):
    """A character language model from a file. Make one with `CharLM.load`.

    Threads may share it. A session that it makes is for one thread at a time.

    Examples:
        >>> lm = CharLM.load("exported/charlm.onnx")
        >>> lm.generate("ROMEO:", length=200, seed=1)
    """

    def __init__(self, stepper: Stepper) -> None:
        if stepper.file.metadata.kind != "charlm":
            raise WrongKindError(
                f"{stepper.file.path}: is a classifier, not a character model; "
                "use Classifier.load or rnn-infer classify"
            )
        super().__init__(stepper)
        self._vocabulary = Vocabulary(stepper.file.metadata)

    @overload
    def generate(self, prompt: str = "", **options: Unpack[GenerateKeywords]) -> str: ...
    @overload
    def generate(
        self, prompt: list[str] | tuple[str, ...], **options: Unpack[GenerateKeywords]
    ) -> list[str]: ...
    def generate(
        self, prompt: str | list[str] | tuple[str, ...] = "", **options: Unpack[GenerateKeywords]
    ) -> str | list[str]:
        """Draw the text that follows a prompt, or the texts that follow a list of prompts.

        Args:
            prompt: one prompt, or a list of prompts, which are drawn in one batch.
            **options: keywords of `complete`.

        Returns:
            The text without the prompt. A list of texts if `prompt` is a list.

        Raises:
            OptionError: an option is out of range.
            UnknownCharacterError: a prompt has a character outside the vocabulary.

        Examples:
            >>> lm.generate("ROMEO:", length=200, temperature=0.7, seed=1)
        """
        if isinstance(prompt, str):
            return self.complete([prompt], **options)[0].text
        return [each.text for each in self.complete(prompt, **options)]

    def complete(
        self,
        prompts: Sequence[str],
        *,
        length: int = DEFAULT_LENGTH,
        seed: int | Sequence[int] | None = None,
        stop: str | Sequence[str] = (),
        unknown: Unknown = "default",
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> list[Generation]:
        """Draw the texts that follow some prompts, in one batch.

        Args:
            prompts: one text each. An empty prompt stands for the file's start text.
            length: the number of characters to draw for each prompt.
            seed: one number s: text i is drawn with seed s + i. A list: one seed per prompt.
                None: a fresh seed. The same seed gives the same text, alone or in any batch.
            stop: one or several texts. A text ends before the first of them that appears, and, if
                the model was trained on documents, at the end of the document.
            unknown: what to do with characters outside the vocabulary: "default" (the file's
                unknown token, or an error), "error", "skip", or "fold" (the nearest known one).
            sampling: how to draw.
            **keywords: fields of `Sampling`. A keyword replaces that field of `sampling`.

        Raises:
            OptionError: an option is out of range.
            UnknownCharacterError: a prompt has a character outside the vocabulary.
        """
        sampling = with_keywords(sampling, keywords)
        return generation.complete(
            self._stepper, self._vocabulary, prompts, length, sampling, seed, stop, unknown
        )

    def new_items(
        self, count: int, prompt: str = "", **options: Unpack[ItemKeywords]
    ) -> list[Generation]:
        """Draw items that are all different and new: names, titles, molecules.

        An item is the prompt and the text that follows, up to the end of the document or to a stop
        text. A text that reaches `length` before is dropped.

        Args:
            count: number of items.
            prompt: how each item begins.
            **options: `exclude`: items that must not come out, for instance those of the training
                data. `min_length`: fewest characters of an item. The others are keywords of
                `complete`, with one seed s: an item has the seed that it was drawn with, from s on.

        Raises:
            OptionError: an option is out of range, or the model gives too few such items in
                50 tries for each.
            UnknownCharacterError: the prompt has a character outside the vocabulary.

        Examples:
            >>> names = lm.new_items(100, exclude=known_names, seed=1)
        """
        return generation.new_items(self._stepper, self._vocabulary, count, prompt, **options)

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = DEFAULT_LENGTH,
        seed: int | None = None,
        stop: str | Sequence[str] = (),
        unknown: Unknown = "default",
        chunk: int = STREAM_CHUNK,
        sampling: Sampling | None = None,
        **keywords: Unpack[SamplingKeywords],
    ) -> Iterator[str]:
        """Draw the text that follows a prompt, and yield it in pieces.

        Args:
            prompt, length, seed, stop, unknown, sampling, **keywords: as in `complete`.
            chunk: characters drawn per piece. The text does not depend on it.

        Raises:
            OptionError: an option is out of range. It is raised before the first piece.
            UnknownCharacterError: the prompt has a character outside the vocabulary.
        """
        session = self.session(seed=seed)
        session.feed(prompt, unknown=unknown)
        return session.stream(
            length, stop=stop, chunk=chunk, sampling=with_keywords(sampling, keywords)
        )

    @overload
    def score(self, text: str, *, unknown: Unknown = "default") -> Score: ...
    @overload
    def score(
        self, text: list[str] | tuple[str, ...], *, unknown: Unknown = "default"
    ) -> list[Score]: ...
    def score(
        self, text: str | list[str] | tuple[str, ...], *, unknown: Unknown = "default"
    ) -> Score | list[Score]:
        """Read a text once, carry the state along, and measure how well it was predicted.

        Args:
            text: at least two characters. The first is not scored. A model of documents reads each
                document from the zero state, and scores its first character too. A list of texts,
                or another column as in `Classifier.classify_columns`, is read in batches, each
                text from the zero state.
            unknown: as in `complete`.

        Returns:
            One score. A list of scores if `text` is a list.

        Raises:
            OptionError: a text is missing or has fewer than two characters.
            UnknownCharacterError: a text has a character outside the vocabulary.
            ModelFileError: the model returns NaN.
        """
        mark = self._vocabulary.mark
        if isinstance(text, str):
            tokens = self._vocabulary.encode(text, unknown)
            if mark is not None:
                return score_documents(self._stepper, Ragged.of([tokens]), mark)[0]
            return score(self._stepper, tokens)
        texts = self._vocabulary.encode_all(require_texts(text, "score"), unknown)
        if mark is not None:
            return score_documents(self._stepper, texts, mark)
        return score_all(self._stepper, texts)

    def next(
        self, prompt: str = "", top: int = 5, *, unknown: Unknown = "default"
    ) -> list[NextChar]:
        """Return the most likely characters after a prompt, at temperature 1.

        Args:
            prompt: an empty prompt stands for the file's start text.
            top: the number of characters to return, at most the size of the vocabulary.
            unknown: as in `complete`.

        Returns:
            The most likely character first.

        Raises:
            OptionError: `top` is below 1.
            UnknownCharacterError: the prompt has a character outside the vocabulary.
            ModelFileError: the model returns NaN.
        """
        if not is_integer(top) or top < 1:
            raise OptionError(f"top must be 1 or more, a whole number, got {top!r:.60}")
        session = self.session(seed=0)
        session.feed(prompt, unknown=unknown)
        return most_likely(self.metadata.vocabulary, session.probabilities(), top)

    def session(self, *, seed: int | None = None, restore: bytes | None = None) -> Session:
        """Start a session, or restore one.

        Args:
            seed: the seed of a new session. None: a fresh seed.
            restore: the bytes from `Session.save`. The seed is then in the bytes.

        Raises:
            OptionError: the seed is out of range.
            SnapshotError: `restore` is damaged, or belongs to another model file.
        """
        if restore is not None:
            return Session.restore(self._stepper, self._vocabulary, restore)
        own = seeds_for(None, 1)[0] if seed is None else seed
        return Session(self._stepper, self._vocabulary, own)

    def pool(self, *, limit: int | None = None, threads: int = 1) -> StreamPool:
        """Make a pool of streams that are drawn in one batch and may be used by many threads.

        Args:
            limit: how many streams may be open at once. None: any number. See `StreamPool.open`
                for what happens then.
            threads: how many threads compute a batch of many streams, each a share of them. The
                text does not depend on it. It is apart from the `threads` of `load`, which share
                out each operation, and pays sooner.

        Raises:
            OptionError: `limit` or `threads` is not an integer of 1 or more.
        """
        return StreamPool(self._stepper, self._vocabulary, limit, threads)
