"""Requests: what the user asks of a training run. None leaves a choice to the recipe."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, get_args

from rnn_infer.tables.options import TableOptions
from rnn_train.data.joining import Documents
from rnn_train.errors import RunError


def check_budget(minutes: float | None, epochs: float | None) -> None:
    """Checks a budget that a user gives.

    Raises:
        RunError: a number is out of range, or both are given.
    """
    for name, budget in (("minutes", minutes), ("epochs", epochs)):
        if budget is None:
            continue
        if not isinstance(budget, int | float) or not 0 < budget < math.inf:  # NaN is not above 0
            raise RunError(f"{name} must be a finite number above 0, got {budget!r}")
    if minutes is not None and epochs is not None:
        raise RunError("minutes and epochs exclude each other; drop one of them")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What both kinds of training take."""

    kind: ClassVar[str]
    """The command: "charlm" or "classifier"."""
    data: Sequence[str] = ()
    """Sources: files, folders, globs or named sets. Empty: the kind's default set."""
    val_data: str | None = None
    """Source of the held-out data. None: hold out a part of `data`."""
    val_fraction: float | None = None
    """Share of `data` to hold out, from 0 to 0.5. None: the recipe of the kind chooses."""
    minutes: float | None = None
    """Wall-clock budget. Give this or `epochs`, not both; neither: the recipe chooses."""
    epochs: float | None = None
    """Budget in passes over the training data."""
    seed: int = 0
    """Seed of weights, batches and dropout, and of the rows that are held out."""
    ensemble: int = 0
    """Number of teacher networks to train first. The exported student learns from them."""
    temperature: float = 1.0
    """Divides the logits if nothing is held out. Take the value that another run fitted."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the model's config to set, by name."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `TrainingConfig` to set, by name."""

    def __post_init__(self) -> None:
        """Takes one source, or any sequence of them, as `data`. A source may be a `Path`.

        Raises:
            RunError: a field has a wrong type, or is out of range, or two do not go together.
        """
        object.__setattr__(self, "data", _sources(self.data))
        if self.val_data is not None:
            (source,) = _sources([self.val_data], "val_data")
            object.__setattr__(self, "val_data", source)
        _check_types(self)
        self._take_paths()
        if self.val_data is not None and self.val_fraction is not None:
            raise RunError(
                "val_data names the held-out data, and val_fraction takes a part of data; drop one "
                "of them (--val-data, --val-fraction)"
            )
        check_budget(self.minutes, self.epochs)
        if self.val_fraction is not None and not 0 <= self.val_fraction <= 0.5:
            raise RunError(f"val_fraction must be from 0 to 0.5, got {self.val_fraction!r}")

    def _take_paths(self) -> None:
        """Takes str as well as `Path` for run folders and files."""
        init_from, teachers = getattr(self, "init_from", None), getattr(self, "teachers", ())
        if init_from is not None:
            (folder,) = _sources([init_from], "init_from")
            object.__setattr__(self, "init_from", Path(folder))
        if teachers != ():
            object.__setattr__(self, "teachers", tuple(map(Path, _sources(teachers, "teachers"))))


@dataclass(frozen=True, kw_only=True)
class CharLMRequest(Request):
    """Request for a character model. `model` has fields of `CharLSTMConfig`."""

    kind: ClassVar[str] = "charlm"
    min_count: int = 1
    """Characters seen fewer times become one unknown token."""
    init_from: Path | None = None
    """Run folder of a warm start, which gives vocabulary, shape and weights."""
    teachers: tuple[Path, ...] = ()
    """Exported models whose soft targets the student learns."""
    separator: str | None = None
    """Text between two files. None: a line end, if the first does not end with one."""
    documents: Documents | None = None
    """"line" or "file": each is a document of its own. None: the files are one text."""
    learn_held_out: bool = True
    """Whether the last part of training learns the held-out text too, after it was measured."""

    def __post_init__(self) -> None:
        """See `Request`.

        Raises:
            RunError: a field is out of range, or fields do not go together.
        """
        super().__post_init__()
        if self.documents not in (None, *(known := get_args(Documents))):
            raise RunError(f"documents must be {' or '.join(known)}, got {self.documents!r}")
        if not isinstance(self.learn_held_out, bool):
            raise RunError(f"learn_held_out must be True or False, got {self.learn_held_out!r}")
        if self.separator is not None and not isinstance(self.separator, str):
            raise RunError(f"separator must be a text, got {self.separator!r}")
        if self.documents and self.separator is not None:
            raise RunError("documents have a mark of their own; drop --separator or --documents")


@dataclass(frozen=True, kw_only=True)
class ClassifierRequest(Request):
    """Request for a classifier. `model` has fields of `ClassifierConfig`."""

    kind: ClassVar[str] = "classifier"
    balance: float | None = None
    """How far the loss favours rare labels, from 0 to 1. None: the recipe chooses."""
    init_from: Path | None = None
    """Run folder of a warm start, which gives characters, labels, shape and weights."""
    table: TableOptions = field(default_factory=TableOptions)
    """How files of labelled texts are read."""
    max_length: int | None = None
    """Characters of a row that are read, in training and on the held-out side. None: all."""
    ngrams_alone: float | None = None
    """Share of the run that trains the n-grams' vectors alone. None: the recipe chooses."""

    def __post_init__(self) -> None:
        """See `Request`.

        Raises:
            RunError: a field has a wrong type, or is out of range.
        """
        super().__post_init__()
        if not isinstance(self.table, TableOptions):
            raise RunError(f"table must be TableOptions, got {self.table!r}")
        if self.balance is not None and not 0 <= self.balance <= 1:
            raise RunError(f"balance must be from 0 to 1, got {self.balance!r}")
        if self.ngrams_alone is not None and not 0 <= self.ngrams_alone < 1:
            raise RunError(f"ngrams_alone must be from 0 to below 1, got {self.ngrams_alone!r}")

    @property
    def fraction(self) -> float:
        """Share of the rows to hold out: a tenth by default."""
        return 0.1 if self.val_fraction is None else self.val_fraction


def _sources(data: Any, name: str = "data") -> tuple[str, ...]:
    one = isinstance(data, str | Path)
    try:
        sources = (data,) if one else tuple(data)
    except TypeError:
        raise RunError(f"{name} must be a source or a list of sources, got {data!r}") from None
    for source in sources:
        if not isinstance(source, str | Path):
            raise RunError(f"a source of {name} must be a str or a Path, got {source!r}")
    return tuple(map(str, sources))


_NUMBERS = {
    "val_fraction": (float, int),
    "balance": (float, int),
    "ngrams_alone": (float, int),
    "temperature": (float, int),
    "seed": (int,),
    "ensemble": (int,),
    "min_count": (int,),
    "max_length": (int,),
}

_RANGES = {
    "temperature": (0.01, 100),
    "seed": (0, 2**63 - 1),
    "ensemble": (0, 100),
    "min_count": (1, math.inf),
    "max_length": (1, math.inf),
}


def _check_types(request: Request) -> None:
    for name, kinds in _NUMBERS.items():
        value = getattr(request, name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
            raise RunError(f"{name} must be a number, got {value!r}")
        low, high = _RANGES.get(name, (-math.inf, math.inf))
        if value is not None and name in _RANGES and not low <= value <= high:
            limits = f"{low} or more" if high == math.inf else f"from {low} to {high}"
            raise RunError(f"{name} must be {limits}, got {value!r}")
    for name in ("model", "training"):
        if not isinstance(value := getattr(request, name), Mapping):
            raise RunError(f"{name} must be a mapping of field names to values, got {value!r}")
