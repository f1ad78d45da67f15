"""The device: choose it, and open a checked file on it."""

import warnings
from typing import Any, Literal

from rnn_infer.errors import DeviceError, ModelFileError, check_memory, first_line, lacks_memory
from rnn_infer.modelfile.reader import ModelFile
from rnn_infer.runtime.allocation import c_library, prefer_huge_pages
from rnn_infer.runtime.cuda_graph import ReplaySession
from rnn_infer.runtime.providers import (
    CPU,
    CUDA,
    cuda_problem,
    offers_cuda,
    onnxruntime,
)

Device = Literal["auto", "cpu", "cuda"]
"""The name of a device. "auto": CUDA if it works, else the CPU."""
DEVICES: tuple[Device, ...] = ("auto", "cpu", "cuda")
_SMALL_STEP = 2**20
"""Multiply-adds that one CPU core does in about 0.1 ms. A GPU needs longer just to launch
the kernels of a step, which are about fifty, of a few microseconds each."""


def open_session(
    file: ModelFile, device: Device = "auto", threads: int = 1, streams: int | None = None
) -> tuple[Any, str]:
    """Open an onnxruntime session on a checked file.

    Args:
        file: from `read_model`.
        device, threads, streams: as in `LoadOptions`, which checks them.

    Returns:
        The session, and the device it runs on: "cpu" or "cuda". For a fixed-step file the session
        is a `ReplaySession`, else an `InferenceSession`.

    Raises:
        DeviceError: `cuda` was requested and does not work.
        ModelFileError: onnxruntime refuses the graph.
    """
    if device == "cuda" and _needs_cpu(file):
        raise DeviceError(
            f"{file.path}: has 8-bit weights, which are for the CPU; use the float32 file on cuda"
        )
    small = device == "auto" and streams is not None and _step_cost(file) * streams <= _SMALL_STEP
    if device == "cpu" or _needs_cpu(file) or small:
        return _open_on_cpu(file, threads), "cpu"
    problem = cuda_problem()
    if problem is None:
        session, problem = _open_on_cuda(file, threads)
        if problem is None:
            return session, "cuda"
    if device == "cuda":
        raise DeviceError(f"device cuda does not work here: {problem}")
    if offers_cuda():  # a CUDA build is installed, so the caller meant to use CUDA
        warnings.warn(f"device auto takes the CPU: {problem}", RuntimeWarning, stacklevel=2)
    return _open_on_cpu(file, threads), "cpu"


def _step_cost(file: ModelFile) -> int:
    """Return the approximate multiply-adds of one step of one stream.

    A layer has about four square matrices of the width of its state.
    """
    return sum(4 * state.width**2 for state in file.states)


def _open_on_cpu(file: ModelFile, threads: int) -> Any:
    session = _create(file, [CPU], threads)
    return ReplaySession(file, session, "cpu") if file.steps else session


def _open_on_cuda(file: ModelFile, threads: int) -> tuple[Any, str | None]:
    """Return a session, and the problem that makes it unusable (None: it is good)."""
    options = {"use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
    if file.steps:
        options["enable_cuda_graph"] = "1"
    try:
        session = _create(file, [(CUDA, options), CPU], threads)
    except ModelFileError as error:
        if not file.steps:
            raise
        return None, f"this file cannot become a CUDA graph ({error}); use an ordinary file"
    if session.get_providers()[0] != CUDA:
        return session, "onnxruntime opened the model on the CPU instead"
    if misplaced := _products_on_cpu(session):
        return session, f"onnxruntime put {', '.join(misplaced)} of this file on the CPU"
    if file.steps:
        session = ReplaySession(file, session, "cuda")
        try:
            session.try_out()
        except Exception as error:  # onnxruntime raises errors of many types
            check_memory(error)
            reason = first_line(error)
            return session, f"its step fails as a CUDA graph ({reason}); use an ordinary file"
    return session, None


def _products_on_cpu(session: Any) -> list[str]:
    """Return the matrix-product operators that are not on CUDA. They are nearly all the work."""
    # Older versions of onnxruntime cannot tell.
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
    """Return whether the file has 8-bit weights, which are made for the CPU only."""
    return "MatMulInteger" in file.operators


def _create(file: ModelFile, providers: list[Any], threads: int) -> Any:
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised; onnxruntime must not print them too
    # Spinning threads would keep every core of the host program busy between steps.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # A row gets the same bits alone and in a batch only while weights are prepacked.
    options.add_session_config_entry("session.disable_prepacking", "0")
    if providers == [CPU]:
        prefer_huge_pages(len(file.data))
        # For the small tensors of a step, the allocator of glibc is faster than onnxruntime's.
        options.enable_cpu_mem_arena = c_library() is None
    else:
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        # With its own fallback onnxruntime would print a banner and silently take the CPU.
        session = ort.InferenceSession(file.data, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime raises errors of many types
        if lacks_memory(error):
            raise file.too_large(first_line(error)) from None
        raise ModelFileError(
            f"{file.path}: onnxruntime refuses the graph: {first_line(error)}"
        ) from None
    session.disable_fallback()
    return session
