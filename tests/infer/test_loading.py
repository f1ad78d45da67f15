"""`rnn_infer.load`: a file of any kind."""

from pathlib import Path
from typing import Any

import pytest

import rnn_infer
from rnn_infer import CharLM, Classifier, LoadOptions, ModelFileError, OptionError


def test_load_returns_the_kind_of_the_file(data: Path) -> None:
    charlm = rnn_infer.load(data / "charlm.onnx", device="cpu")
    assert isinstance(charlm, CharLM)
    assert (charlm.device, charlm.metadata.kind) == ("cpu", "charlm")
    assert isinstance(rnn_infer.load(str(data / "gru.onnx"), device="cpu"), Classifier)


@pytest.mark.parametrize("loader", [rnn_infer.load, Classifier.load])
def test_options_and_keywords(data: Path, loader: Any) -> None:
    options = LoadOptions(device="cpu", sha256="0" * 64)
    with pytest.raises(ModelFileError, match="sha256"):
        loader(data / "gru.onnx", options=options)
    assert loader(data / "gru.onnx", options=options, sha256=None).device == "cpu"


@pytest.mark.parametrize("loader", [rnn_infer.load, CharLM.load, Classifier.load])
def test_bad_option_is_refused_before_the_file_is_read(tmp_path: Path, loader: Any) -> None:
    with pytest.raises(OptionError, match="device must be one of auto, cpu, cuda"):
        loader(tmp_path / "none.onnx", device="gpu")
    with pytest.raises(OptionError, match="threads"):
        loader(tmp_path / "none.onnx", threads=0)
