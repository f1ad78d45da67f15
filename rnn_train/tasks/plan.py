"""What was decided for a run, before it starts: the content of its `config.json`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from rnn_train.training.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a run computes, what it writes and what it read. A resumed run may change the first
    three."""

    device: str
    """torch's name of the device: "cpu" or "cuda"."""
    threads: int | None = None
    """CPU threads; None: torch's default."""
    out: str = ""
    """Path of the exported file."""
    sources: Mapping[str, str | None] = field(default_factory=dict)
    """SHA-256 of each source when the run began; None if a source could not be read."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Decisions that both kinds of task share. The subclasses add the model's config."""

    ON_DISK: ClassVar[Mapping[str, str]] = {}
    """Keys of `config.json` that differ from the field's name."""

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

    def to_config(self) -> dict[str, Any]:
        """The plan as plain values, by the keys of `config.json`."""
        values = dataclasses.asdict(self)
        return {self.ON_DISK.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Reads the plan back. A key that older versions did not write takes its default.

        Raises:
            KeyError, TypeError, ValueError: a key is missing or has a value of another type.
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
        """The value of the field `name` from its JSON form."""
        if name == "data":
            return tuple(value)
        return TrainingConfig(**value) if name == "training" else value
