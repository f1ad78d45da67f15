"""onnxruntime and its execution providers: find them, and test whether they work here."""

import io
import os
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from rnn_infer.errors import RuntimeMissingError, check_memory, first_line

if TYPE_CHECKING:
    from importlib.metadata import Distribution

# These commands name onnxruntime's own packages, not the extras of this package. So they are right
# however this package was installed.
INSTALL_CPU = "pip install onnxruntime"
INSTALL_GPU = 'pip install "onnxruntime-gpu[cuda,cudnn]"'
INSTALL_GPU_CUDA_12 = 'pip install "onnxruntime-gpu[cuda,cudnn]<1.27"'
REMOVE_BOTH = "pip uninstall -y onnxruntime onnxruntime-gpu"
TELEMETRY_OFF = "ORT_DISABLE_TELEMETRY"
"""The environment variable that turns off the telemetry of onnxruntime, except on Windows."""
CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
"""Names of execution providers."""


@cache
def onnxruntime() -> ModuleType:
    """Return the onnxruntime module.

    Warns if two distributions have written its folder. Turns off the
    telemetry of onnxruntime, unless the environment has `ORT_DISABLE_TELEMETRY` already or the
    program has imported onnxruntime before.

    Raises:
        RuntimeMissingError: it cannot be imported. The message has the command that installs it.
    """
    # Since 1.29 the import alone writes a device id into the cache folder, and each session is
    # reported. Only this variable stops both, and only before the import.
    os.environ.setdefault(TELEMETRY_OFF, "1")
    try:
        # A statement, not a call with a string: PyInstaller and its kind look for statements.
        import onnxruntime as module
    except Exception as error:  # a broken build may raise anything
        check_memory(error)
        absent = isinstance(error, ModuleNotFoundError)
        reason = "" if absent else f" ({first_line(error)})"
        raise RuntimeMissingError(
            f"onnxruntime cannot be imported{reason}; run: {INSTALL_CPU}   "
            f"or, for an NVIDIA GPU: {INSTALL_GPU}"
        ) from None
    if overwritten():
        warnings.warn(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; "
            f"run: {REMOVE_BOTH} && {INSTALL_GPU}   or, without a GPU: "
            f"{REMOVE_BOTH} && {INSTALL_CPU}",
            RuntimeWarning,
            stacklevel=2,
        )
    found: ModuleType = module
    return found


def installed_distributions() -> dict[str, str]:
    """Return the version of each installed distribution that writes an `onnxruntime` folder."""
    return {name: found.version for name, found in _distributions().items()}


def overwritten() -> bool:
    """Return whether two distributions have written one folder, and one of them is spoiled.

    Two that lie in different folders of the path are whole: Python imports the first.
    """
    folders = [str(each.locate_file("")) for each in _distributions().values()]
    return len(set(folders)) < len(folders)


def _distributions() -> dict[str, "Distribution"]:
    import importlib.metadata  # imported here because it is slow to import

    found = {}
    for name in ("onnxruntime", "onnxruntime-gpu"):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.distribution(name)
    return found


def offers_cuda() -> bool:
    """Return whether this onnxruntime was built for CUDA. CUDA may still not work."""
    return CUDA in onnxruntime().get_available_providers()


@cache
def cuda_problem() -> str | None:
    """Return why CUDA does not work here and what to do. None: a probe session ran on it.

    The list of available providers is not enough. It names CUDA also on machines where no session
    can be created, and onnxruntime then falls back to the CPU with only a warning.
    """
    ort = onnxruntime()
    if not offers_cuda():
        return (
            f"this onnxruntime is a CPU build; run: pip uninstall -y onnxruntime && {INSTALL_GPU}"
        )
    if hasattr(ort, "preload_dlls"):
        # Finds the CUDA libraries that were installed as wheels. If it fails it prints, and the
        # probe below fails too.
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            ort.preload_dlls()
    failure = _probe(CUDA)
    if failure is None:
        return None
    return (
        f"a CUDA probe failed ({failure}); check nvidia-smi, then run: {INSTALL_GPU}   "
        f"or, if the driver is for CUDA 12: {INSTALL_GPU_CUDA_12}"
    )


def cpu_problem() -> str | None:
    """Return why the CPU provider does not work. None: a probe session ran on it."""
    return _probe(CPU)


def _probe(provider: str) -> str | None:
    """Run one addition on this provider only. Return what went wrong, or None."""
    ort = onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    if provider != CPU:
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
    except Exception as error:  # onnxruntime raises errors of many types
        check_memory(error)
        return first_line(error)


# y = x + x on one float, as an ONNX model of 60 bytes. The probe then needs no file.
_PROBE = bytes.fromhex(
    "08083a350a0e0a01780a017812017922034164641201675a0f0a0178120a0a08080112040a02"
    "0801620f0a0179120a0a08080112040a02080142040a001012"
)
