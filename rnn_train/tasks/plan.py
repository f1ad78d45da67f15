"""The plan of a run, which is decided before it starts: the content of its `config.json`."""

import dataclasses
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, get_type_hints

from rnn_train.errors import RunError
from rnn_train.tasks.ranges import check_range
from rnn_train.training.config import TrainingConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The device of a run, its threads, its exported file and its sources. A resumed run may change
    all but the sources."""

    device: str
    """Type of the device as torch names it: "cpu" or "cuda"."""
    threads: int | None = None
    """CPU threads; None: torch's default."""
    out: str = ""
    """Path of the exported file."""
    sources: Mapping[str, str | None] = field(default_factory=dict)
    """Fingerprint of each source when the run began; None: the source could not be read."""
    processes: int = 1
    """Processes that train together."""


@dataclass(frozen=True, kw_only=True)
class Continuation:
    """A further part of a run, which the user asked for when the run had finished."""

    step: int
    """Step at which the part began."""
    minutes: float | None
    """Budget of the part in wall-clock minutes; None: `epochs` is the budget."""
    epochs: float | None
    """Budget of the part in passes over the data; None: `minutes` is the budget."""
    before: Mapping[str, float] = field(default_factory=dict)
    """Held-out metrics of the model when the part began."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What both kinds of task decide. The subclasses add what their kind needs."""

    ON_DISK: ClassVar[Mapping[str, str]] = {}
    """Key in `config.json` by field, if it is not the field's name."""

    command: str
    data: tuple[str, ...]
    val_data: str | None
    val_fraction: float
    minutes: float | None
    epochs: float | None
    temperature: float = 1.0
    device: str
    threads: int | None
    out: str
    sources: Mapping[str, str | None]
    training: TrainingConfig
    processes: int = 1
    """See `Settings`."""
    init_from: str | None = None
    """Run folder of a warm start; None: there is none."""
    known: Mapping[str, int] = field(default_factory=dict)
    """Number of characters, and of labels, that the warm start knew."""
    earlier: Mapping[str, float] = field(default_factory=dict)
    """Figures of the warm start on its own held-out data; and which share of this run's held-out
    data it had learnt, if it had learnt any."""
    overlap: float = 0.0
    """Share of `val_data` that the training data have too, 0 to 1."""
    continued: tuple[Continuation, ...] = ()
    """Further parts of the run, in order."""

    @property
    def budget(self) -> tuple[float | None, float | None]:
        """Minutes and epochs of the last part; one of them is None."""
        part = self.continued[-1] if self.continued else self
        return part.minutes, part.epochs

    def to_config(self) -> dict[str, Any]:
        """Returns the plan as plain values, by the keys of `config.json`."""
        values = dataclasses.asdict(self)
        return {self.ON_DISK.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Reads a plan. A key that is missing takes the field's default, and others are ignored.

        Args:
            config: the content of `config.json`.

        Raises:
            KeyError: a key is missing whose field has no default.
            TypeError, ValueError: a value is not of its type.
        """
        values = {}
        for each in dataclasses.fields(cls):
            key = cls.ON_DISK.get(each.name, each.name)
            if key in config:
                values[each.name] = cls.decode(each.name, config[key])
            elif each.default is dataclasses.MISSING and each.default_factory is (
                dataclasses.MISSING
            ):
                raise KeyError(key)
        return cls(**values)

    @classmethod
    def decode(cls, name: str, value: Any) -> Any:
        """Returns the value of the field `name`, given its JSON form."""
        if name == "data":
            return tuple(value)
        if name == "continued":
            return tuple(Continuation(**each) for each in value)
        return TrainingConfig(**value) if name == "training" else value


def with_fields(config: Config, asked: Mapping[str, Any]) -> Config:
    """Returns a copy of a config (a dataclass) with some fields set by name.

    Raises:
        RunError: the config has no such field, or the value has another type or is out of range.
    """
    known = [each.name for each in dataclasses.fields(config)]
    if unknown := sorted(set(asked) - set(known)):
        raise RunError(
            f"{type(config).__name__} has no field {unknown[0]!r}; it has {', '.join(known)}"
        )
    kinds = get_type_hints(type(config))
    for name, value in asked.items():
        if not _fits(value, kinds[name]):
            kind = getattr(kinds[name], "__name__", kinds[name])
            raise RunError(f"{type(config).__name__}.{name} must be {kind}, got {value!r}")
        check_range(type(config).__name__, name, value)
    return dataclasses.replace(config, **asked)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value has the type of a field. Other types than those of JSON are not checked."""
    if isinstance(kind, UnionType):
        return any(_fits(value, each) for each in kind.__args__)
    if kind in (int, float):
        number = isinstance(value, numbers.Integral if kind is int else numbers.Real)
        return number and not isinstance(value, bool)
    return isinstance(value, kind) if kind in (str, bool, NoneType) else True
