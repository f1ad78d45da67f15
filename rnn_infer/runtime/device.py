"""Choosing a device, and opening a checked file there."""

import warnings
from typing import Any, Literal

from rnn_infer.errors import DeviceError, ModelFileError, OptionError
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.cuda_graph import ReplaySession
from rnn_infer.runtime.providers import (
    CPU,
    CUDA,
    cuda_problem,
    first_line,
    offers_cuda,
    onnxruntime,
)

Device = Literal["auto", "cpu", "cuda"]
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
_SMALL_STEP = 2**20
"""Multiply-adds that one CPU core does in about 0.1 ms, while a GPU is not done launching a step's
kernels: some fifty, of a few microseconds each."""


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
        The session, or what is run as one, and the device it really runs on: "cpu" or "cuda".

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
        return _open_on_cpu(file, threads), "cpu"
    problem = cuda_problem()
    if problem is None:
        session, problem = _open_on_cuda(file, threads)
        if problem is None:
            return session, "cuda"
    if device == "cuda":
        raise DeviceError(f"device cuda does not work here: {problem}")
    if offers_cuda():  # somebody meant to use it
        warnings.warn(f"device auto takes the CPU: {problem}", RuntimeWarning, stacklevel=2)
    return _open_on_cpu(file, threads), "cpu"


def _step(file: ModelFile) -> int:
    """Multiply-adds of one step of one stream, roughly: a layer has some four matrices as high and
    wide as its state."""
    return sum(4 * state.width**2 for state in file.states)


def _open_on_cpu(file: ModelFile, threads: int) -> Any:
    session = _create(file, [CPU], threads)
    return ReplaySession(file, session, "cpu") if file.steps else session


def _open_on_cuda(file: ModelFile, threads: int) -> tuple[Any, str | None]:
    """A session, and what is wrong with it."""
    options = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
    if file.steps:
        options["enable_cuda_graph"] = "1"
    try:
        session = _create(file, [(CUDA, options), CPU], threads)
    except ModelFileError as error:
        if not file.steps:
            raise
        return None, f"no CUDA graph can be made of this file ({error}); use an ordinary one"
    if session.get_providers()[0] != CUDA:
        return session, "onnxruntime opened the model on the CPU instead"
    if strayed := _products_on_cpu(session):
        return session, f"onnxruntime put {', '.join(strayed)} of this file on the CPU"
    if file.steps:
        session = ReplaySession(file, session, "cuda")
        try:
            session.try_out()
        except Exception as error:  # onnxruntime raises many types, RuntimeError at their root
            reason = first_line(error)
            return session, f"its step fails as a CUDA graph ({reason}); use an ordinary file"
    return session, None


def _products_on_cpu(session: Any) -> list[str]:
    """Operators of matrix products, which are nearly all the work, that are not on CUDA."""
    # Older ones cannot say.
    placed: list[Any] = getattr(session, "get_provider_graph_assignment_info", list)()
    return sorted(
        {
            node.op_type
            for part in placed
            if part.ep_name != CUDA
            for node in part.get_nodes()
            if any(kind in node.op_type for kind in ("Gemm", "MatMul", "LSTM", "GRU", "RNN"))
        }
    )


def _needs_cpu(file: ModelFile) -> bool:
    """Whether the file holds 8-bit weights, which only the CPU path is made for."""
    return "MatMulInteger" in file.operators


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
            f"{file.path}: onnxruntime refuses the graph: {first_line(error)}"
        ) from None
    session.disable_fallback()
    return session
