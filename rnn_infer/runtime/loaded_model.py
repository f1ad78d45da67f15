"""What models of both kinds share: loading, pickling, device and metadata."""

from dataclasses import astuple
from typing import Self, Unpack

from rnn_infer.contract import Metadata
from rnn_infer.modelfile.source import ModelSource
from rnn_infer.runtime.load_options import LoadKeywords, LoadOptions
from rnn_infer.runtime.stepper import Stepper


class LoadedModel:
    """A model from a file. Threads may share it."""

    def __init__(self, stepper: Stepper) -> None:
        self._stepper = stepper

    @classmethod
    def load(
        cls,
        source: ModelSource,
        *,
        options: LoadOptions | None = None,
        **keywords: Unpack[LoadKeywords],
    ) -> Self:
        """Load a model.

        Args:
            source: a path, bytes, an open binary file, or a resource of `importlib.resources`.
                A file object is read to its end.
            options: how to load it.
            **keywords: fields of `LoadOptions`. A keyword replaces that field of `options`.

        Raises:
            ModelFileError: the file is missing, damaged, or breaks the format.
            WrongKindError: the file is a model of the other kind.
            DeviceError: `cuda` does not work here.
            OptionError: an option is out of range.
            RuntimeMissingError: onnxruntime is not installed.
        """
        return cls(Stepper.open(source, options=options, **keywords))

    def __reduce__(self) -> tuple[type[Self], tuple[Stepper]]:
        """Pickle the place of the file and the options, see `Stepper`."""
        return type(self), (self._stepper,)

    def __dask_tokenize__(self) -> tuple[object, ...]:
        """Return what a hash of Dask depends on: equal models have equal hashes everywhere."""
        return type(self).__qualname__, *astuple(self._stepper.options)

    @property
    def device(self) -> str:
        """The device that the model runs on: "cpu" or "cuda"."""
        return self._stepper.device

    @property
    def metadata(self) -> Metadata:
        """The metadata document of the file."""
        return self._stepper.file.metadata
