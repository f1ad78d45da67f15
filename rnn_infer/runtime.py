"""onnxruntime: finding it, choosing a device, opening a session."""

import importlib
import io
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from types import ModuleType
from typing import Any, Literal

import numpy as np

from rnn_infer.errors import DeviceError, ModelFileError, OptionError, RuntimeMissingError
from rnn_infer.modelfile import ModelFile

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
# The runtime's own distributions rather than this package's extras: these commands hold
# however this package itself was installed.
INSTALL_CPU = "pip install onnxruntime"
INSTALL_GPU = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
INSTALL_GPU_CUDA_12 = 'pip install "onnxruntime-gpu[cuda,cudnn]<1.27"'
REMOVE_BOTH = "pip uninstall -y onnxruntime onnxruntime-gpu"
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_SMALL_STEP = 2**20
"""Multiply-adds that one CPU core does in about 0.1 ms, while a GPU is not done launching a step's
kernels: some fifty, of a few microseconds each."""


@cache
def onnxruntime() -> ModuleType:
    """The onnxruntime module.

    Warns where both distributions are installed: they write the same folder.

    Raises:
        RuntimeMissingError: it cannot be imported; the message has the command that mends it.
    """
    try:
        module = importlib.import_module("onnxruntime")
    except Exception as error:  # a broken build raises what it likes
        absent = isinstance(error, ModuleNotFoundError)
        reason = "" if absent else f" ({_first_line(error)})"
        raise RuntimeMissingError(
            f"onnxruntime cannot be imported{reason}; run: {INSTALL_CPU}   "
            f"or, for an NVIDIA GPU: {INSTALL_GPU}"
        ) from None
    if len(installed_distributions()) > 1:
        warnings.warn(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; "
            f"run: {REMOVE_BOTH} && {INSTALL_GPU}   or, without a GPU: "
            f"{REMOVE_BOTH} && {INSTALL_CPU}",
            RuntimeWarning,
            stacklevel=2,
        )
    return module


def installed_distributions() -> dict[str, str]:
    """Version of each onnxruntime distribution that writes the `onnxruntime` folder."""
    import importlib.metadata  # slow to import, and this is the only use

    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def open_session(
    file: ModelFile, device: Device = "auto", threads: int = 1, streams: int | None = None
) -> tuple[Any, str]:
    """Opens an `InferenceSession` on a checked file.

    Args:
        file: from `read_model`.
        device: `cpu`; `cuda`, strictly; or `auto`: CUDA where it really works, else the CPU.
        threads: CPU threads one call may use.
        streams: how many will be stepped at once, where that is known: `auto` then takes the CPU
            for what is done there before a GPU has begun.

    Returns:
        The session, and the device it really runs on: "cpu" or "cuda".

    Raises:
        DeviceError: `cuda` was asked for and does not work.
        ModelFileError: onnxruntime refuses the graph.
        OptionError: `device` or `threads` is out of range.
    """
    if device not in DEVICES:
        raise OptionError(f"device must be one of {', '.join(DEVICES)}, got {device!r}")
    if not isinstance(threads, int) or not 1 <= threads <= 1024:
        raise OptionError(f"threads must be 1 or more, got {threads!r}")
    if device == "cuda" and _needs_cpu(file):
        raise DeviceError(
            f"{file.path}: 8-bit weights are for the CPU; use the float32 file on cuda"
        )
    small = device == "auto" and streams is not None and _step(file) * streams <= _SMALL_STEP
    if device == "cpu" or _needs_cpu(file) or small:
        return _create(file, [_CPU], threads), "cpu"
    problem = cuda_problem()
    if problem is None:
        session, problem = _open_on_cuda(file, threads)
        if problem is None:
            return session, "cuda"
    if device == "cuda":
        raise DeviceError(f"device cuda does not work here: {problem}")
    if offers_cuda():  # somebody meant to use it
        warnings.warn(f"device auto takes the CPU: {problem}", RuntimeWarning, stacklevel=2)
    return _create(file, [_CPU], threads), "cpu"


def _step(file: ModelFile) -> int:
    """Multiply-adds of one step of one stream, roughly: a layer has some four matrices as high and
    wide as its state."""
    return sum(4 * state.width**2 for state in file.states)


def _open_on_cuda(file: ModelFile, threads: int) -> tuple[Any, str | None]:
    """A session, and what is wrong with it."""
    options = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
    try:
        graph = {"enable_cuda_graph": "1" if file.one_step else "0"}
        session = _create(file, [(_CUDA, options | graph), _CPU], threads)
    except ModelFileError as error:
        if not file.one_step:
            raise
        session = _create(file, [(_CUDA, options), _CPU], threads)
        warnings.warn(f"steps run without a CUDA graph, slower: {error}", RuntimeWarning, 2)
    if session.get_providers()[0] != _CUDA:
        return session, "onnxruntime opened the model on the CPU instead"
    if strayed := _products_on_cpu(session):
        return session, f"onnxruntime put {', '.join(strayed)} of this file on the CPU"
    return session, None


def _products_on_cpu(session: Any) -> list[str]:
    """Operators of matrix products, which are nearly all the work, that are not on CUDA."""
    placed: list[Any] = getattr(
        session, "get_provider_graph_assignment_info", list
    )()  # not in older ones
    return sorted(
        {
            node.op_type
            for part in placed
            if part.ep_name != _CUDA
            for node in part.get_nodes()
            if any(kind in node.op_type for kind in ("Gemm", "MatMul", "LSTM", "GRU", "RNN"))
        }
    )


def _needs_cpu(file: ModelFile) -> bool:
    """Whether the file holds 8-bit weights, which only the CPU path is made for."""
    return "MatMulInteger" in file.operators


def offers_cuda() -> bool:
    """Whether this onnxruntime was built for CUDA; it may not work."""
    return _CUDA in onnxruntime().get_available_providers()


@cache
def cuda_problem() -> str | None:
    """Why CUDA cannot be used here, with the cure; None where a probe session really ran on it.

    The list of available providers is no proof: it names CUDA on machines where no
    session can be created, and creation then falls back to the CPU with only a warning.
    """
    ort = onnxruntime()
    if not offers_cuda():
        return (
            f"this onnxruntime is a CPU build; run: pip uninstall -y onnxruntime && {INSTALL_GPU}"
        )
    if hasattr(ort, "preload_dlls"):
        # Finds the CUDA libraries that came as wheels. Where it fails it prints, and the probe
        # fails after it.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            ort.preload_dlls()
    failure = _probe(_CUDA)
    if failure is None:
        return None
    return (
        f"a CUDA probe failed ({failure}); check nvidia-smi, then run: {INSTALL_GPU}   "
        f"or, where the driver is for CUDA 12: {INSTALL_GPU_CUDA_12}"
    )


def cpu_problem() -> str | None:
    """Why the CPU provider cannot be used; None where a probe session really ran on it."""
    return _probe(_CPU)


def _probe(provider: str) -> str | None:
    """Runs one addition on a provider and nowhere else; returns what went wrong."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if provider != _CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = ort.InferenceSession(_PROBE, options, providers=[provider], enable_fallback=0)
        if session.get_providers()[0] != provider:
            return "the session was created on another provider"
        session.disable_fallback()
        (result,) = session.run(None, {"x": np.ones(1, np.float32)})
        return None if result[0] == 2 else "one plus one was not two"
    except Exception as error:  # onnxruntime raises many types, RuntimeError at their root
        return _first_line(error)


def _create(file: ModelFile, providers: list[Any], threads: int) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised, and must not be printed too
    # A small recurrent step is over before a sleeping thread wakes, but spinning would
    # burn every core of the host program between steps.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if len(providers) > 1:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        # With its own fallback on, onnxruntime prints and silently takes the CPU.
        session = ort.InferenceSession(file.data, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime raises many types, RuntimeError at their root
        raise ModelFileError(
            f"{file.path}: onnxruntime refuses the graph: {_first_line(error)}"
        ) from None
    session.disable_fallback()
    return session


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


# y = x + x on one float: an ONNX model of 60 bytes, so that proving CUDA needs no file.
_PROBE = bytes.fromhex(
    "08083a350a0e0a01780a017812017922034164641201675a0f0a0178120a0a08080112040a02"
    "0801620f0a0179120a0a08080112040a02080142040a001012"
)
