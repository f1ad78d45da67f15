"""A runtime with CUDA, or lying about it: what callers are told, and what they get.

A fake onnxruntime stands in for machines that are not here; what it runs, it runs on the CPU.
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnxruntime as real
import pytest
from click.testing import CliRunner

import rnn_infer
from rnn_infer import CharLM, DeviceError, OptionError
from rnn_infer.cli.commands import main
from rnn_infer.inspection import examine

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
PROMPT = "dead beef.\n"

pytestmark = pytest.mark.usefixtures("fresh_runtime")


class Fake(ModuleType):
    """A module that says what it is told to say of CUDA.

    Args:
        listed: whether CUDA is among the available providers.
        opens: whether a session can be made with CUDA; raises where not.
        aloud: whether it falls back as the real one does where a session cannot be made and
            fallback was not switched off: with a banner on standard output.
        sums: what it adds to each result, where it computes wrongly on CUDA.
        strayed: operators of each model that it puts on the CPU, though it runs on CUDA.
        captures: when it finds that it cannot record a CUDA graph; empty: it can.
        runs_on: the provider of a session that was to run on CUDA, one for each in turn, the last
            for all after it: first come probes, if any, then models.
    """

    def __init__(
        self,
        *,
        listed: bool = True,
        opens: bool = True,
        aloud: bool = False,
        sums: float = 0,
        strayed: tuple[str, ...] = (),
        captures: str = "",
        runs_on: tuple[str, ...] = (CUDA,),
    ) -> None:
        super().__init__("onnxruntime")
        self.__version__ = "9.9.9"
        self._listed, self._opens, self._aloud = listed, opens, aloud
        self._sums, self._runs_on = sums, list(runs_on)
        self._strayed, self._captures = strayed, captures
        self.SessionOptions = real.SessionOptions
        self.OrtValue = FakeValue
        self.captured: list[bool] = []
        """Of each model opened on CUDA: whether a graph was asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(real, name)

    def get_available_providers(self) -> list[str]:
        return [CUDA, CPU] if self._listed else [CPU]

    def preload_dlls(self) -> None:
        pass

    def InferenceSession(  # noqa: N802  (onnxruntime's name)
        self,
        model: Any,
        options: Any = None,
        providers: Any = (),
        enable_fallback: int = 1,
        **_: Any,
    ) -> Any:
        names = [each if isinstance(each, str) else each[0] for each in providers]
        if CUDA not in names:
            return real.InferenceSession(model, options, providers=providers)
        if not self._opens and self._aloud and enable_fallback:
            print("*************** EP Error ***************\nFalling back and retrying.")
            return FakeSession(real.InferenceSession(model, providers=[CPU]), CPU, 0)
        if not self._opens:
            raise RuntimeError("CUDA error 35: driver too old\nat cuda_call.cc:129\n" + "x" * 5000)
        settings = next((each[1] for each in providers if each[0] == CUDA), None)
        if settings is not None:
            self.captured.append(settings.get("enable_cuda_graph") == "1")
            if self.captured[-1] and self._captures == "when opened":
                raise RuntimeError("it cannot be recorded")
        on = self._runs_on[0]
        if len(self._runs_on) > 1:
            del self._runs_on[0]
        session = real.InferenceSession(model, providers=[CPU])
        return FakeSession(session, on, self._sums, self._strayed, self._captures == "when run")


class FakeValue:
    """Makes values on the CPU, wherever they are asked for."""

    @staticmethod
    def ortvalue_from_shape_and_type(shape: Any, kind: Any, device: str, _index: int) -> Any:
        assert device in ("cpu", "cuda")
        return real.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cpu", 0)


class FakeSession:
    """A session that says it runs on `provider`."""

    def __init__(
        self,
        session: Any,
        provider: str,
        sums: float,
        strayed: tuple[str, ...] = (),
        fails: bool = False,
    ) -> None:
        self._session, self._provider, self._sums = session, provider, sums
        self._strayed, self._fails = strayed, fails
        self.graphs: list[str] = []
        """Of each run with bound values, the number of its CUDA graph."""

    def io_binding(self) -> Any:
        binding = self._session.io_binding()
        return SimpleNamespace(
            real=binding,
            bind_input=partial(self._bind, binding.bind_input),
            bind_output=partial(self._bind, binding.bind_output),
        )

    @staticmethod
    def _bind(bind: Callable[..., None], name: str, device: str, *where: Any) -> None:
        assert device == "cuda"
        bind(name, "cpu", *where)

    def run_with_iobinding(self, binding: Any, options: Any) -> None:
        if self._fails:
            raise RuntimeError("it cannot be recorded")
        self.graphs.append(options.get_run_config_entry("gpu_graph_id"))
        self._session.run_with_iobinding(binding.real, options)

    def get_provider_graph_assignment_info(self) -> list[Any]:
        nodes = [SimpleNamespace(op_type=each) for each in self._strayed]
        sums = [SimpleNamespace(op_type="Gemm")]
        return [
            SimpleNamespace(ep_name=name, get_nodes=lambda held=held: held)
            for name, held in ((CPU, nodes), (CUDA, sums))
        ]

    def run(self, *arguments: Any) -> list[Any]:
        return [each + each.dtype.type(self._sums) for each in self._session.run(*arguments)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return [CUDA, CPU] if self._provider == CUDA else [CPU]


Install = Callable[..., Fake]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """`install(**of Fake)`: the fake is what `import onnxruntime` gives."""

    def put(**options: Any) -> Fake:
        fake = Fake(**options)
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return fake

    return put


@pytest.fixture
def path(data: Path) -> Path:
    return data / "charlm.onnx"


def refusal(path: Path) -> str:
    """Why CUDA cannot be had."""
    with pytest.raises(DeviceError) as caught:
        CharLM.load(path, device="cuda")
    assert isinstance(caught.value, RuntimeError)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1000
    return message


# --- CUDA that is not there -----------------------------------------------------------

BROKEN: dict[str, dict[str, Any]] = {
    "sessions that compute nonsense": {"sums": 1},
    "a CPU build": {"listed": False},
    "listed, but no session can be made": {"opens": False},
    "listed, and sessions fall back in silence": {"runs_on": (CPU,)},
    "the model's session falls back, after one that did not": {"runs_on": (CUDA, CPU)},
    "products are put on the CPU, after a probe that was not": {"strayed": ("Add", "FusedGemm")},
}


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_cuda_is_strict(install: Install, path: Path, how: str) -> None:
    install(**BROKEN[how])
    assert "cuda" in refusal(path).lower()
    assert "cuda" in refusal(path).lower()  # nor on a second try


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_auto_takes_the_cpu_and_says_so(install: Install, path: Path, lm: CharLM, how: str) -> None:
    install(**BROKEN[how])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = CharLM.load(path, device="auto")
    assert found.device == "cpu"
    # A CPU build is a choice; a CUDA build that does not work is a surprise.
    assert len(said) == (how != "a CPU build")
    assert all(str(each.message).startswith("device auto takes the CPU: ") for each in said)
    assert found.generate(PROMPT, length=30, seed=1) == lm.generate(PROMPT, length=30, seed=1)


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_cpu_asks_nothing_of_cuda(install: Install, path: Path, how: str) -> None:
    install(**BROKEN[how])
    assert CharLM.load(path, device="cpu").device == "cpu"


def test_message_has_the_cure(install: Install, path: Path) -> None:
    install(listed=False)
    assert "pip install" in refusal(path)
    assert "onnxruntime-gpu" in refusal(path)


def test_message_has_the_reason(install: Install, path: Path) -> None:
    install(opens=False)
    said = refusal(path)
    assert "CUDA error 35: driver too old" in said
    assert "pip install" in said


@pytest.mark.parametrize("how", sorted(BROKEN))
def test_command_line_says_so_in_one_line(install: Install, path: Path, how: str) -> None:
    install(**BROKEN[how])
    arguments = ["generate", "--model", str(path), "--device", "cuda", "--length", "5"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert isinstance(result.exception, SystemExit)


def test_command_line_warns_in_one_line(install: Install, path: Path) -> None:
    install(opens=False)
    arguments = ["generate", "--model", str(path), "--length", "5", "--seed", "1"]
    result = CliRunner().invoke(main, [*arguments, "--count", "5000"])
    assert result.exit_code == 0
    line, device = result.stderr.splitlines()
    assert line.startswith("warning: device auto takes the CPU: ")
    assert device == "device: cpu"


def test_nothing_of_the_runtimes_own_is_printed(
    install: Install, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is the caller's: text, or JSON lines."""
    install(opens=False, aloud=True)
    with pytest.warns(RuntimeWarning, match="driver too old"):
        assert CharLM.load(path, device="auto").device == "cpu"
    assert "CUDA error 35: driver too old" in refusal(path)
    assert capsys.readouterr() == ("", "")


def test_cuda_that_works(install: Install, path: Path, lm: CharLM) -> None:
    install()
    found = CharLM.load(path, device="cuda")
    assert found.device == "cuda"
    assert found.generate(PROMPT, length=30, seed=1) == lm.generate(PROMPT, length=30, seed=1)


# --- CUDA that works, and when it is taken ---------------------------------------------


def test_control_flow_and_shapes_may_stay_on_the_cpu(install: Install, path: Path) -> None:
    install(strayed=("Shape", "Gather", "Loop"))
    assert CharLM.load(path, device="cuda").device == "cuda"


@pytest.mark.parametrize(("streams", "device"), [(None, "cuda"), (1, "cpu"), (10_000, "cuda")])
def test_auto_takes_the_cpu_for_little_work(
    install: Install, path: Path, streams: int | None, device: str
) -> None:
    install()
    assert CharLM.load(path, device="auto", streams=streams).device == device
    assert rnn_infer.load(path, device="auto", streams=streams).device == device
    assert CharLM.load(path, device="cuda", streams=streams).device == "cuda"


@pytest.mark.parametrize(("count", "device"), [("1", "cpu"), ("5000", "cuda")])
def test_command_line_says_what_auto_took(
    install: Install, path: Path, count: str, device: str
) -> None:
    install()
    arguments = ["generate", "--model", str(path), "--length", "1", "--count", count]
    for more, expected in (([], f"device: {device}\n"), (["--device", "cpu"], "")):
        result = CliRunner().invoke(main, [*arguments, *more])
        assert result.exit_code == 0, result.output
        assert result.stderr == expected


# --- files for CUDA graphs ------------------------------------------------------------


@pytest.fixture
def one_step(data: Path) -> Path:
    return data / "charlm.one.onnx"


def test_steps_are_replayed(install: Install, one_step: Path, lm: CharLM) -> None:
    fake = install()
    found = CharLM.load(one_step, device="cuda")
    assert (found.device, fake.captured) == ("cuda", [True])
    prompts = ["dead", "beef", "cab."]
    assert found.generate(prompts, length=9, seed=1) == lm.generate(prompts, length=9, seed=1)
    # After the first, which is tried out with a token read and one drawn.
    graphs = list(map(int, found._stepper._session._session.graphs))[2:]
    # Two take turns at reading; then others, one after another, draw.
    assert graphs == [1, 2, 1, *range(3, 11), 3]
    # 64 rows were used for three; smaller batches need no other, however long.
    assert found.generate("dead", length=40, seed=1) == lm.generate("dead", length=40, seed=1)
    known = set(map(int, found._stepper._session._session.graphs))
    assert known == set(range(1, 11))
    many = ["dead"] * 65
    assert found.generate(many, length=20, seed=1) == lm.generate(many, length=20, seed=1)
    more = set(map(int, found._stepper._session._session.graphs)) - known
    assert more <= set(range(11, 21))


def test_several_steps_are_one_graph(install: Install, data: Path, lm: CharLM) -> None:
    fake = install()
    found = CharLM.load(data / "charlm.three.onnx", device="cuda")
    assert (found.device, fake.captured) == ("cuda", [True])
    tried = len(found._stepper._session._session.graphs)
    # Six characters are read and one with which drawing begins; then 3 + 3 + 2 are drawn.
    assert found.generate("deadbee", length=8, seed=1) == lm.generate("deadbee", length=8, seed=1)
    graphs = list(map(int, found._stepper._session._session.graphs))[tried:]
    assert graphs == [1, 2, 1, 2, 1]
    many = ["dead"] * 65
    assert found.generate(many, length=20, seed=1) == lm.generate(many, length=20, seed=1)
    assert set(map(int, found._stepper._session._session.graphs)) == {1, 2, 3, 4}


def test_no_graph_of_files_with_control_flow(install: Install, path: Path) -> None:
    fake = install()
    CharLM.load(path, device="cuda")
    assert fake.captured == [False]


@pytest.mark.parametrize("captures", ["when opened", "when run"])
def test_graph_that_cannot_be_recorded(
    install: Install, one_step: Path, lm: CharLM, captures: str
) -> None:
    install(captures=captures)
    with pytest.raises(DeviceError, match="cannot be recorded.*use an ordinary") as caught:
        CharLM.load(one_step, device="cuda")
    assert len(str(caught.value).splitlines()) == 1
    with pytest.warns(RuntimeWarning, match="auto takes the CPU.*cannot be recorded"):
        found = CharLM.load(one_step, device="auto")
    assert found.device == "cpu"
    assert found.generate("dead", length=9, seed=1) == lm.generate("dead", length=9, seed=1)


# --- what doctor finds ----------------------------------------------------------------


@pytest.mark.parametrize("how", sorted(how for how in BROKEN if "after" not in how))
def test_doctor_of_a_machine_without_cuda(install: Install, how: str) -> None:
    install(**BROKEN[how])
    found = examine()
    assert found["ok"] is True
    assert (found["cpu"], found["onnxruntime"]) == ("works", "9.9.9")
    assert found["cuda"] != "works"
    assert len(found["cuda"].splitlines()) == 1


def test_doctor_of_a_machine_with_cuda(install: Install) -> None:
    install()
    assert (examine()["ok"], examine()["cuda"]) == (True, "works")


def test_doctor_of_a_machine_where_nothing_runs(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = install(listed=False)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("illegal instruction\nsecond line")

    monkeypatch.setattr(fake, "InferenceSession", fail, raising=False)
    found = examine()
    assert found["ok"] is False
    assert found["cpu"] == "illegal instruction"


# --- options --------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["gpu", "CUDA", "", "cuda:0", None, 0])
def test_device_that_is_none(path: Path, device: Any) -> None:
    with pytest.raises(OptionError, match="device must be one of auto, cpu, cuda"):
        CharLM.load(path, device=device)


@pytest.mark.parametrize("threads", [0, -1, 1025, 1.5, "2", None])
def test_threads_out_of_range(path: Path, threads: Any) -> None:
    with pytest.raises(OptionError, match="threads"):
        CharLM.load(path, device="cpu", threads=threads)
