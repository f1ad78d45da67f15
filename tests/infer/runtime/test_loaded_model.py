"""What models of both kinds share."""

import copy
import pickle
from pathlib import Path

import pytest

from rnn_infer import CharLM, Classifier
from rnn_infer.runtime.loaded_model import LoadedModel


@pytest.mark.parametrize(("kind", "name"), [(CharLM, "charlm"), (Classifier, "gru")])
def test_both_kinds_load_pickle_and_hash_alike(
    kind: type[LoadedModel], name: str, data: Path
) -> None:
    model = kind.load(data / f"{name}.onnx", device="cpu", threads=2)
    assert (model.device, model.metadata.kind) == ("cpu", kind.__name__.lower())
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(twin) is kind
        assert twin.metadata == model.metadata
        assert twin.__dask_tokenize__() == model.__dask_tokenize__()
    assert kind.load(data / f"{name}.onnx", device="cpu").__dask_tokenize__() != (
        model.__dask_tokenize__()
    )
