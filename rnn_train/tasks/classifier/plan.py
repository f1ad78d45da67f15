"""The plan of a classifier, and how it follows from the request."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_infer.contract import MAX_VOCABULARY
from rnn_train.data.alphabet import Alphabet
from rnn_train.errors import DataError, RunError
from rnn_train.models.classifier import ClassifierConfig
from rnn_train.tasks.classifier import recipe
from rnn_train.tasks.classifier.data import ClassifierData
from rnn_train.tasks.plan import Plan, Settings, with_fields
from rnn_train.tasks.request import ClassifierRequest


@dataclass(frozen=True, kw_only=True)
class ClassifierPlan(Plan):
    """What was decided for a classifier."""

    ensemble: int
    """Number of teacher networks to train first."""
    teacher: Mapping[str, Any]
    """`model`: the config of each teacher. If the student has others: `epochs`, `training`,
    `balance` and `character_dropout`."""
    character_dropout: float
    """Share of a text's characters that training reads as unknown."""
    balance: float
    """How far the loss favours rare labels, from 0 to 1."""
    model: ClassifierConfig
    ngrams_alone: float = 0.0
    """Share of the run that trains the n-grams' vectors alone, before the whole network."""
    vocabulary: str | None = None
    """Characters of a warm start and of the rows; None: those of the rows."""
    labels: tuple[str, ...] = ()
    """Labels of a warm start and of the rows; empty: those of the rows."""

    max_length: int | None = None
    """Characters of a row that are read; None: all."""
    synthetic: int = 0
    """Number of synthetic texts that a student reads."""
    repeats: int = 1
    """How often a student reads each row, while it reads each synthetic text once."""

    @property
    def alphabet(self) -> Alphabet | None:
        """Alphabet of a warm start and of the rows; None: that of the rows."""
        return Alphabet(tuple(self.vocabulary), self.labels) if self.vocabulary else None

    @classmethod
    def decode(cls, name: str, value: Any) -> Any:
        """See `Plan.decode`."""
        if name == "labels":
            return tuple(value)
        return ClassifierConfig(**value) if name == "model" else super().decode(name, value)


def decide(
    request: ClassifierRequest,
    sources: tuple[str, ...],
    data: ClassifierData,
    settings: Settings,
    earlier: ClassifierConfig | None = None,
) -> ClassifierPlan:
    """Fills in what the request leaves open, from the rows and the budget.

    Args:
        request: what the user asks for.
        sources: of the training rows.
        data: the rows.
        settings: go into the plan as they are.
        earlier: config of a warm start; None: the weights start from random numbers.

    Raises:
        DataError: there are too many distinct characters.
        RunError: the request names a field that does not exist.
    """
    rows = len(data.train)
    _check_alphabet(data.alphabet, sources)
    # A teacher is the network that a run without teachers would train.
    model = with_fields(_first_model(request, data, earlier), request.model)
    chosen = recipe.classifier_training(
        rows, request.seed, earlier is not None, _readings(request, data)
    )
    training = with_fields(chosen, request.training)
    balance = recipe.balance(rows) if request.balance is None else request.balance
    epochs = request.epochs
    if request.minutes is None and epochs is None:
        epochs = recipe.classifier_epochs(rows)
    plan = ClassifierPlan(
        command=request.kind,
        data=sources,
        val_data=request.val_data,
        val_fraction=request.fraction,
        minutes=request.minutes,
        epochs=epochs,
        temperature=request.temperature,
        **dataclasses.asdict(settings),
        **_start(request, data.alphabet, earlier),
        ensemble=request.ensemble,
        teacher={"model": dataclasses.asdict(model)},
        character_dropout=recipe.character_dropout(model),
        balance=balance,
        model=model,
        max_length=request.max_length,
        training=training,
        ngrams_alone=_ngrams_alone(request, model, data, warm=earlier is not None),
    )
    return _with_student(plan, request, data) if request.ensemble else plan


def _with_student(
    plan: ClassifierPlan, request: ClassifierRequest, data: ClassifierData
) -> ClassifierPlan:
    """Returns the plan of an ensemble: that of its networks is given."""
    length = float(np.median(data.train.lengths))
    rows, labels = len(data.train), len(data.alphabet.labels)
    count = recipe.synthetic_count(rows, labels, length, request.minutes)
    teacher: dict[str, Any] = {"model": dataclasses.asdict(plan.model)}
    epochs = plan.epochs
    if request.minutes is None and request.epochs is None:
        assert epochs is not None
        teacher["epochs"] = epochs
        epochs *= recipe.student_epochs(count)
    student = dataclasses.replace(
        plan,
        epochs=epochs,
        teacher=teacher,
        model=with_fields(recipe.student_model(plan.model, count), request.model),
    )
    if not count:
        return student
    teacher["training"] = dataclasses.asdict(plan.training)
    teacher["balance"] = plan.balance
    teacher["character_dropout"] = plan.character_dropout
    training = recipe.student_training(plan.training)
    return dataclasses.replace(
        student,
        training=with_fields(training, request.training),
        balance=recipe.STUDENT_BALANCE if request.balance is None else request.balance,
        character_dropout=recipe.STUDENT_CHARACTER_DROPOUT,
        synthetic=count,
        repeats=recipe.REPEATS,
    )


def _ngrams_alone(
    request: ClassifierRequest, model: ClassifierConfig, data: ClassifierData, warm: bool
) -> float:
    """Returns the share of the run that trains the n-grams' vectors alone.

    Raises:
        RunError: the request asks for it, and the readout does not read their mean.
    """
    if request.ngrams_alone is None:
        if warm:
            return 0.0
        rows, characters = len(data.train), int(data.train.lengths.sum())
        perplexity = data.train.perplexity
        return recipe.ngrams_alone(model, rows, characters, request.minutes, perplexity)
    if request.ngrams_alone and not (model.bag and model.pool and model.vector_tables):
        raise RunError(
            "--ngrams-alone takes a readout that reads the mean of the n-grams' vectors; add "
            "--bag, --pool and --ngrams of 2 or more, or drop it"
        )
    if request.ngrams_alone and warm:
        raise RunError("--init-from starts with trained n-grams; drop --ngrams-alone")
    return request.ngrams_alone


def _check_alphabet(alphabet: Alphabet, sources: tuple[str, ...]) -> None:
    """Raises `DataError` if there are too many distinct characters for a model file."""
    if (characters := len(alphabet.vocabulary)) > MAX_VOCABULARY:
        raise DataError(
            f"{sources[0]}: {characters} distinct characters, over the limit of "
            f"{MAX_VOCABULARY}; check the encoding of the file, or leave rare characters out"
        )


def _first_model(
    request: ClassifierRequest, data: ClassifierData, earlier: ClassifierConfig | None
) -> ClassifierConfig:
    """Returns the model of the recipe, or that of a warm start, for the characters and labels."""
    vocabulary, labels = len(data.alphabet.vocabulary), len(data.alphabet.labels)
    if earlier:
        return dataclasses.replace(earlier, vocabulary=vocabulary, labels=labels)
    rows = len(data.train)
    chosen = recipe.classifier_model(vocabulary, labels, rows, _readings(request, data))
    return dataclasses.replace(chosen, space=_code_of_space(data.alphabet))


def _readings(request: ClassifierRequest, data: ClassifierData) -> float:
    """Returns how often training is likely to read each row."""
    if request.minutes is None:
        return request.epochs or recipe.classifier_epochs(len(data.train))
    # The student of an ensemble takes as long as each teacher.
    each = request.minutes / (request.ensemble + 1)
    return recipe.readings(int(data.train.lengths.sum()), each)


def _code_of_space(alphabet: Alphabet) -> int:
    """Returns the code (token + 1) of the space, or 0 if no row has one."""
    characters = alphabet.vocabulary
    return characters.index(" ") + 1 if " " in characters else 0


def _start(
    request: ClassifierRequest, alphabet: Alphabet, earlier: ClassifierConfig | None
) -> dict[str, Any]:
    """Returns the fields of the plan that only a warm start has."""
    if not earlier:
        return {}
    return {
        "init_from": str(request.init_from),
        "vocabulary": "".join(alphabet.vocabulary),
        "labels": alphabet.labels,
        "known": {"characters": earlier.vocabulary, "labels": earlier.labels},
    }
