"""Loading a model file of any kind."""

from typing import Unpack

from rnn_infer.charlm import CharLM
from rnn_infer.classifier import Classifier
from rnn_infer.modelfile.source import ModelSource
from rnn_infer.runtime.load_options import LoadKeywords, LoadOptions
from rnn_infer.runtime.stepper import Stepper


def load(
    source: ModelSource,
    *,
    options: LoadOptions | None = None,
    **keywords: Unpack[LoadKeywords],
) -> CharLM | Classifier:
    """Load a model file of either kind.

    Args:
        source: a path, bytes, an open binary file, or a resource of `importlib.resources`.
            A file object is read to its end.
        options: how to load it.
        **keywords: fields of `LoadOptions`. A keyword replaces that field of `options`.

    Returns:
        A `CharLM` or a `Classifier`, as the file's metadata says.

    Raises:
        ModelFileError: the file is missing, damaged, or breaks the format.
        DeviceError: `cuda` does not work here.
        OptionError: an option is out of range.
        RuntimeMissingError: onnxruntime is not installed.
    """
    stepper = Stepper.open(source, options=options, **keywords)
    return CharLM(stepper) if stepper.file.metadata.kind == "charlm" else Classifier(stepper)
