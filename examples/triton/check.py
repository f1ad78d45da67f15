"""Serve a pool with Triton, and compare 32 sequences with the texts that they give alone.

    pip install nvidia-pytriton "rnn-infer[cpu]"
    python examples/triton/check.py exported/charlm.onnx

The package nvidia-pytriton brings the program tritonserver, with the Python backend alone.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytriton
from tritonclient.grpc import InferenceServerClient, InferInput

from rnn_infer import CharLM

ROOT = Path(__file__).parents[2]
SEQUENCES, REQUESTS, LENGTH = 32, 5, 40
PROMPT = "the"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(model: Path, folder: Path) -> Iterator[str]:
    """A server of the model in a folder; its address."""
    shutil.copytree(Path(__file__).parent / "pool", folder / "models" / "pool")
    shutil.copy(model, folder / "models" / "pool" / "charlm.onnx")
    home = Path(pytriton.__file__).parent
    shutil.copytree(home / "tritonserver", folder / "server")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = folder / "server" / "python_backend_stubs" / version / "triton_python_backend_stub"
    shutil.copy(stub, folder / "server" / "backends" / "python")
    port = free_port()
    command = [
        folder / "server" / "bin" / "tritonserver",
        f"--model-repository={folder / 'models'}",
        f"--backend-directory={folder / 'server' / 'backends'}",
        f"--grpc-port={port}",
        "--grpc-address=127.0.0.1",
        "--allow-http=false",
        "--allow-metrics=false",
    ]
    # The Python backend takes its packages from the `python3` that is first in PATH. It does not
    # look at PYTHONPATH. In a clone it finds rnn_infer in the current folder.
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{home.parent / 'nvidia_pytriton.libs'}:{sys.base_prefix}/lib",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        client = InferenceServerClient(f"127.0.0.1:{port}")
        deadline = time.monotonic() + 120
        while True:
            try:
                if client.is_model_ready("pool"):
                    break
            except Exception:  # it does not listen yet
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit((folder / "log").read_text())
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


def tensor(name: str, value: object, type_: str, dtype: object) -> InferInput:
    made = InferInput(name, [1, 1], type_)
    made.set_data_from_numpy(np.array([[value]], dtype))
    return made


def sequence(address: str, number: int) -> str:
    """The text of one sequence, in several requests."""
    client = InferenceServerClient(address)
    inputs = [
        tensor("prompt", PROMPT.encode(), "BYTES", object),
        tensor("seed", number, "UINT64", np.uint64),
        tensor("length", LENGTH, "INT32", np.int32),
    ]
    text = b""
    for i in range(REQUESTS):
        flags = {"sequence_start": i == 0, "sequence_end": i == REQUESTS - 1}
        found = client.infer("pool", inputs, sequence_id=number + 1, **flags)
        text += found.as_numpy("text").item()
    return text.decode()


def main() -> None:
    """All sequences at once."""
    model = Path(sys.argv[1]).resolve()
    lm = CharLM.load(model, device="cpu")
    alone = [lm.generate(PROMPT, length=REQUESTS * LENGTH, seed=i) for i in range(SEQUENCES)]
    with tempfile.TemporaryDirectory() as folder, serving(model, Path(folder)) as address:
        with ThreadPoolExecutor(SEQUENCES) as threads:
            texts = list(threads.map(lambda i: sequence(address, i), range(SEQUENCES)))
        client = InferenceServerClient(address)
        facts = client.get_inference_statistics("pool", as_json=True)["model_stats"][0]
        version = client.get_server_metadata().version
    same = sum(text == expected for text, expected in zip(texts, alone, strict=True))
    print(
        f"Triton {version}: {same} of {SEQUENCES} sequences give their text alone; "
        f"{facts['inference_count']} requests in {facts['execution_count']} batches"
    )
    if same != SEQUENCES:
        sys.exit(1)


if __name__ == "__main__":
    main()
