"""A fake onnxruntime for the tests of devices that this machine does not have.

Whatever it runs, it runs on the CPU.
"""

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import onnxruntime as real
import pytest

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


class Fake(ModuleType):
    """A fake onnxruntime with CUDA.

    Args:
        listed: whether CUDA is one of the available providers.
        opens: whether a session can be created on CUDA. If not, creating one raises.
        banner: whether it falls back to the CPU with a banner on standard output, as the real one
            does if fallback is on.
        error: a number added to each result, for a CUDA that computes wrongly.
        on_cpu: operators of each model that it puts on the CPU.
        capture_fails: when capturing a CUDA graph fails: "when opened", "when run", or "" (never).
        runs_on: the providers of the sessions created for CUDA, in turn. The last one is repeated.
            Probes are created first, then models.
    """

    def __init__(
        self,
        *,
        listed: bool = True,
        opens: bool = True,
        banner: bool = False,
        error: float = 0,
        on_cpu: tuple[str, ...] = (),
        capture_fails: str = "",
        runs_on: tuple[str, ...] = (CUDA,),
    ) -> None:
        super().__init__("onnxruntime")
        self.__version__ = "9.9.9"
        self._listed, self._opens, self._banner = listed, opens, banner
        self._error, self._runs_on = error, list(runs_on)
        self._on_cpu, self._capture_fails = on_cpu, capture_fails
        self.SessionOptions = real.SessionOptions
        self.OrtValue = FakeValue
        self.captured: list[bool] = []
        """For each model opened on CUDA: whether a CUDA graph was requested."""

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
        if not self._opens and self._banner and enable_fallback:
            print("*************** EP Error ***************\nFalling back and retrying.")
            return FakeSession(real.InferenceSession(model, providers=[CPU]), CPU, 0)
        if not self._opens:
            raise RuntimeError("CUDA error 35: driver too old\nat cuda_call.cc:129\n" + "x" * 5000)
        settings = next((each[1] for each in providers if each[0] == CUDA), None)
        if settings is not None:
            self.captured.append(settings.get("enable_cuda_graph") == "1")
            if self.captured[-1] and self._capture_fails == "when opened":
                raise RuntimeError("it cannot be captured")
        on = self._runs_on[0]
        if len(self._runs_on) > 1:
            del self._runs_on[0]
        session = real.InferenceSession(model, providers=[CPU])
        return FakeSession(
            session, on, self._error, self._on_cpu, self._capture_fails == "when run"
        )


class FakeValue:
    """Creates every value on the CPU."""

    @staticmethod
    def ortvalue_from_shape_and_type(shape: Any, kind: Any, device: str, _index: int) -> Any:
        assert device in ("cpu", "cuda")
        return real.OrtValue.ortvalue_from_shape_and_type(shape, kind, "cpu", 0)


class FakeSession:
    """A session that claims to run on `provider`."""

    def __init__(
        self,
        session: Any,
        provider: str,
        error: float,
        on_cpu: tuple[str, ...] = (),
        fails: bool = False,
    ) -> None:
        self._session, self._provider, self._error = session, provider, error
        self._on_cpu, self._fails = on_cpu, fails
        self.graphs: list[str] = []
        """For each run with bound buffers, the number of its CUDA graph."""

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
            raise RuntimeError("it cannot be captured")
        self.graphs.append(options.get_run_config_entry("gpu_graph_id"))
        self._session.run_with_iobinding(binding.real, options)

    def get_provider_graph_assignment_info(self) -> list[Any]:
        nodes = [SimpleNamespace(op_type=each) for each in self._on_cpu]
        products = [SimpleNamespace(op_type="Gemm")]
        return [
            SimpleNamespace(ep_name=name, get_nodes=lambda held=held: held)
            for name, held in ((CPU, nodes), (CUDA, products))
        ]

    def run(self, *arguments: Any) -> list[Any]:
        return [each + each.dtype.type(self._error) for each in self._session.run(*arguments)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return [CUDA, CPU] if self._provider == CUDA else [CPU]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Fake]:
    """`install(**arguments of Fake)`: `import onnxruntime` then gives the fake."""

    def put(**options: Any) -> Fake:
        fake = Fake(**options)
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return fake

    return put
