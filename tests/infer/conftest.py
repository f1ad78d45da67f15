"""Fixtures of all tests of `rnn_infer`. No test in this folder may need torch or onnx."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from click.testing import CliRunner, Result

from rnn_infer import CharLM, Classifier, ModelFileError
from rnn_infer.cli.commands import main
from rnn_infer.contract import METADATA_KEY
from rnn_infer.modelfile.onnx_proto import model_class
from rnn_infer.runtime import providers
from rnn_infer.runtime.stepper import Stepper

DATA = Path(__file__).parents[1] / "data"
Edit = Callable[[Any], object]

hypothesis.settings.register_profile(
    "infer", max_examples=60, deadline=None, derandomize=True, database=None
)
hypothesis.settings.load_profile("infer")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of the tiny models."""
    return DATA


@pytest.fixture(scope="session")
def lm() -> CharLM:
    """2 LSTM layers, 41 Latin characters, no unknown token. The graph draws."""
    return CharLM.load(DATA / "charlm.onnx", device="cpu")


@pytest.fixture(scope="session")
def step_lm() -> CharLM:
    """The weights of `lm` in a step-only file. numpy draws."""
    return CharLM.load(DATA / "charlm.step.onnx", device="cpu")


@pytest.fixture(scope="session")
def one_lm() -> CharLM:
    """The weights of `lm` in a file of one step per call."""
    return CharLM.load(DATA / "charlm.one.onnx", device="cpu")


@pytest.fixture(scope="session")
def wide() -> CharLM:
    """300 characters, Chinese and emoji among them, and an unknown token."""
    return CharLM.load(DATA / "wide.onnx", device="cpu")


@pytest.fixture(scope="session")
def stepper() -> Stepper:
    """The stepper of the file of `lm`."""
    return Stepper.open(DATA / "charlm.onnx", device="cpu")


@pytest.fixture(scope="session", params=["classifier", "gru"])
def classifier(request: pytest.FixtureRequest) -> Classifier:
    """5 labels, begin and end marks, an unknown token, NFC; an Elman cell with pooling, a GRU."""
    return Classifier.load(DATA / f"{request.param}.onnx", device="cpu")


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """`edited(edit, of="charlm")`: a copy of a good file. `edit` has changed its ONNX message."""

    def make(edit: Edit, of: str = "charlm") -> Path:
        model = model_class().FromString((DATA / f"{of}.onnx").read_bytes())
        edit(model)
        path = tmp_path / "edited.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return make


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files open although their logits are not those that they recorded."""
    monkeypatch.setattr(Stepper, "check_golden", lambda _: None)


@pytest.fixture
def documented(edited: Callable[..., Path]) -> Callable[..., Path]:
    """`documented(edit, of="charlm")`: a copy of a good file. `edit` has changed its metadata."""

    def make(edit: Edit, of: str = "charlm") -> Path:
        def change(model: Any) -> None:
            (entry,) = model.metadata_props
            assert entry.key == METADATA_KEY.encode()
            document = json.loads(entry.value)
            edit(document)
            entry.value = json.dumps(document).encode()

        return edited(change, of)

    return make


@pytest.fixture(scope="session")
def refusal() -> Callable[..., str]:
    """`refusal(path, sha256=None)`: the error message for a bad file, without the file's name."""

    def get(path: Path, sha256: str | None = None) -> str:
        with pytest.raises(ModelFileError) as caught:
            Stepper.open(path, device="cpu", sha256=sha256)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert len(message.splitlines()) == 1
        assert len(message) < 1000
        return message.removeprefix(f"{path}: ")

    return get


@pytest.fixture
def fresh_runtime() -> Iterator[None]:
    """Clear what `rnn_infer.runtime` has cached about this machine, before and after the test."""
    cached = (providers.onnxruntime, providers.cuda_problem)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(20240229)


# --- the command line -----------------------------------------------------------------


@pytest.fixture(scope="session")
def model(data: Path) -> str:
    """The path of a character model."""
    return str(data / "charlm.onnx")


@pytest.fixture(scope="session")
def names(data: Path) -> str:
    """The path of a classifier."""
    return str(data / "gru.onnx")


@pytest.fixture(scope="session")
def run() -> Callable[..., Result]:
    """`run("show", "--model", path, stdin=b"")`: the result of `rnn-infer`, never a traceback."""

    def run(*arguments: str, stdin: bytes | str | None = None) -> Result:
        result = CliRunner().invoke(main, arguments, input=stdin)
        assert isinstance(result.exception, SystemExit | None), result.exception
        return result

    return run


@pytest.fixture(scope="session")
def good(run: Callable[..., Result]) -> Callable[..., str]:
    """As `run`, for a command that succeeds: its standard output."""

    def good(*arguments: str, stdin: bytes | str | None = None) -> str:
        result = run(*arguments, stdin=stdin)
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    return good


@pytest.fixture(scope="session")
def bad(run: Callable[..., Result]) -> Callable[..., str]:
    """As `run`, for a command that fails: its one line on standard error."""

    def bad(*arguments: str, stdin: bytes | str | None = None) -> str:
        result = run(*arguments, stdin=stdin)
        assert result.exit_code in (1, 2)
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("Error: ")
        assert result.stdout == ""
        return result.stderr

    return bad
