"""The plan of a character model, and how it follows from the request."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from rnn_train.data.corpus import Corpus
from rnn_train.data.held_out import default_fraction, documents_of
from rnn_train.data.joining import Documents, Joining
from rnn_train.distillation.teacher_plan import TeacherPlan
from rnn_train.distillation.warm_start import WarmStart
from rnn_train.models.charlm import CharLSTMConfig
from rnn_train.tasks.charlm import recipe
from rnn_train.tasks.plan import Plan, Settings, with_fields
from rnn_train.tasks.request import CharLMRequest
from rnn_train.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class CharLMPlan(Plan):
    """What was decided for a character model."""

    # The keys on the right stand in the run folders of all versions.
    ON_DISK: ClassVar[Mapping[str, str]] = {
        "teacher_plan": "lesson",
        "teacher_weight": "teachers_say",
    }

    characters: int
    vocabulary: str
    unknown: int | None
    sha256: str
    """Hash of the text, see `Corpus`."""
    teachers: tuple[str, ...] = ()
    """Paths of the given teachers, as in the request."""
    teacher_plan: TeacherPlan = dataclasses.field(default_factory=TeacherPlan)
    teacher_weight: float = 0.0
    """Weight of the soft targets in the loss, from 0 to 1."""
    model: CharLSTMConfig
    spread: bool = False
    """Whether held-out pieces of the whole text are listed in the run folder. False: its end is
    held out, as in older runs."""
    learn_all_from: float = 1.0
    """Share of the run after which training learns the held-out pieces too. 1: never."""
    separator: str | None = None
    documents: Documents | None = None
    """See `Joining`, as for `separator`."""

    @property
    def joining(self) -> Joining:
        """How the files of the text are joined."""
        return Joining(separator=self.separator, documents=self.documents)

    @classmethod
    def decode(cls, name: str, value: Any) -> Any:
        """See `Plan.decode`."""
        match name:
            case "model":
                return CharLSTMConfig(**value)
            case "teacher_plan":
                return TeacherPlan(**value)
            case "teachers":
                return tuple(value)
        return super().decode(name, value)


def joining_of(request: CharLMRequest) -> Joining:
    """Returns how the files of the text are joined."""
    return Joining(separator=request.separator, documents=request.documents)


def fraction_of(request: CharLMRequest, characters: int) -> float:
    """Returns the share of the text to hold out, of the request or by the length of the text."""
    return default_fraction(characters) if request.val_fraction is None else request.val_fraction


def decide(
    request: CharLMRequest,
    sources: tuple[str, ...],
    corpus: Corpus,
    warm: WarmStart | None,
    settings: Settings,
) -> CharLMPlan:
    """Fills in what the request leaves open, from the text, the device and the budget.

    Args:
        request: what the user asks for.
        sources: of the training text.
        corpus: the encoded text.
        warm: the warm start; None: the weights start from random numbers.
        settings: go into the plan as they are.
    """
    characters = len(corpus.tokens)
    networks = -(-request.ensemble // settings.processes) + 1  # one after the other
    minutes = request.minutes
    if minutes is None and request.epochs is None:
        minutes = recipe.charlm_minutes(characters, settings.device) * networks
    each = None if minutes is None else minutes / networks
    # Each network of an ensemble is trained by one process, and its student is of the same size.
    together = 1 if request.ensemble else settings.processes
    operations = recipe.operations_a_second(settings.device, together)
    model = partial(_model, request, corpus, warm, each, operations)
    teacher_plan = TeacherPlan(
        given=len(request.teachers),
        trained=request.ensemble,
        minutes=each,
        epochs=request.epochs,
        model=dataclasses.asdict(model(distilled=False)) if request.ensemble else {},
    )
    return CharLMPlan(
        command=request.kind,
        data=sources,
        val_data=request.val_data,
        val_fraction=fraction_of(request, characters),
        minutes=minutes,
        epochs=request.epochs,
        temperature=request.temperature,
        **dataclasses.asdict(settings),
        characters=characters,
        vocabulary="".join(corpus.vocabulary),
        unknown=corpus.unknown,
        sha256=corpus.sha256,
        init_from=str(request.init_from) if warm else None,
        known={"characters": len(warm.vocabulary)} if warm else {},
        teachers=tuple(map(str, request.teachers)),
        teacher_plan=teacher_plan,
        teacher_weight=recipe.TEACHER_WEIGHT,
        model=model(distilled=teacher_plan.teachers > 0),
        training=_training(request, corpus, warm, each, operations),
        spread=request.val_data is None,
        learn_all_from=recipe.LEARN_ALL_FROM if request.learn_held_out else 1.0,
        separator=request.separator,
        documents=request.documents,
    )


def _model(
    request: CharLMRequest,
    corpus: Corpus,
    warm: WarmStart | None,
    minutes: float | None,
    operations: float,
    *,
    distilled: bool,
) -> CharLSTMConfig:
    """Returns the model of the recipe, or that of the warm start, with the fields of the request.

    Args:
        request, corpus, warm: see `decide`.
        minutes: of this network alone; None: it has no limit in minutes.
        operations: that the device does in a second.
        distilled: whether it learns from teachers.
    """
    size = len(corpus.vocabulary)
    if warm:
        return with_fields(dataclasses.replace(warm.model, vocabulary=size), request.model)
    chosen = recipe.charlm_model(
        size,
        len(corpus.tokens),
        operations,
        minutes=minutes,
        epochs=request.epochs,
        distilled=distilled,
    )
    return with_fields(chosen, request.model)


def _training(
    request: CharLMRequest,
    corpus: Corpus,
    warm: WarmStart | None,
    minutes: float | None,
    operations: float,
) -> TrainingConfig:
    """Returns the training of the recipe, with the fields of the request; arguments as in
    `_model`."""
    training = recipe.charlm_training(
        len(corpus.tokens), minutes, operations, request.seed, fine_tuning=warm is not None
    )
    if request.documents:
        mark = corpus.vocabulary.index(str(joining_of(request).mark))
        documents = documents_of(corpus.tokens, mark)
        training = recipe.for_documents(training, documents[:, 1] - documents[:, 0])
    return with_fields(training, request.training)
