"""Serve a pool with Triton, and compare 32 sequences with the texts that they give alone.

    make serving       # or, in a clone: pip install nvidia-pytriton ".[cpu]", and
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
from onnxruntime import InferenceSession
from tritonclient.grpc import InferenceServerClient, InferInput

from rnn_infer import CharLM
from rnn_infer.modelfile.reader import read_model

sys.path.insert(0, str(Path(__file__).parents[2]))
from rnn_train.exporting.triton import config

ROOT = Path(__file__).parents[2]
SEQUENCES, REQUESTS, LENGTH = 32, 5, 40
PROMPT = "the"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A server of the models in a folder; its address."""
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
                if client.is_server_ready():
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


def pool_texts(model: Path, address: str) -> bool:
    """Compare all sequences at once with the texts that they give alone."""
    lm = CharLM.load(model, device="cpu")
    alone = [lm.generate(PROMPT, length=REQUESTS * LENGTH, seed=i) for i in range(SEQUENCES)]
    with ThreadPoolExecutor(SEQUENCES) as threads:
        texts = list(threads.map(lambda i: sequence(address, i), range(SEQUENCES)))
    client = InferenceServerClient(address)
    facts = client.get_inference_statistics("pool", as_json=True)["model_stats"][0]
    same = sum(text == expected for text, expected in zip(texts, alone, strict=True))
    print(
        f"Triton {client.get_server_metadata().version}: {same} of {SEQUENCES} sequences give "
        f"their text alone; {facts['inference_count']} requests in "
        f"{facts['execution_count']} batches"
    )
    return same == SEQUENCES


def exported_config(model: Path, address: str) -> bool:
    """Look at what Triton gives to a model with the configuration of `--for triton`."""
    inputs = [
        tensor("tokens", 1, "INT64", np.int64),
        tensor("uniform", 0.5, "FP32", np.float32),
        tensor("temperature", 0.8, "FP32", np.float32),
        tensor("top_k", 0, "INT64", np.int64),
        tensor("top_p", 1.0, "FP32", np.float32),
    ]
    flags = {"sequence_id": 1, "sequence_start": True, "sequence_end": True}
    found = InferenceServerClient(address).infer("exported", inputs, **flags)
    file = read_model(model)
    session = InferenceSession(file.data, providers=["CPUExecutionProvider"])
    feed = {state.name: np.zeros((1, state.width), np.float32) for state in file.states}
    feed |= {"tokens": np.array([[1]]), "uniform": np.array([[0.5]], np.float32)}
    feed |= {"temperature": np.array([0.8], np.float32), "top_k": np.array([0])}
    feed |= {"top_p": np.array([1.0], np.float32)}
    names = ["logits", "generated"]
    expected = session.run(names, feed)
    pairs = zip(names, expected, strict=True)
    same = all(np.array_equal(found.as_numpy(name), each) for name, each in pairs)
    result = "as from states of zero" if same else "NOT as from states of zero"
    print(f"the exported configuration: the first logits of a sequence are {result}")
    return same


def prepare(model: Path, models: Path) -> None:
    """Write two models: the pool, and the exported configuration with `stand_in.py`.

    The server of nvidia-pytriton has no ONNX backend, and its Python backend cannot return states.
    So the second model shows how Triton reads the configuration and starts a sequence, no more.
    """
    here = Path(__file__).parent
    shutil.copytree(here / "pool", models / "pool")
    shutil.copy(model, models / "pool" / "charlm.onnx")
    folder = models / "exported" / "1"
    folder.mkdir(parents=True)
    shutil.copy(model, folder / "model.onnx")
    shutil.copy(here / "stand_in.py", folder / "model.py")
    text = config(read_model(model), "exported").replace('"onnxruntime"', '"python"')
    instance = "instance_group [ { kind: KIND_CPU count: 1 } ]\n"
    (folder.parent / "config.pbtxt").write_text(text + instance)


def main() -> None:
    """Run both checks."""
    model = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        prepare(model, Path(name) / "models")
        with serving(Path(name)) as address:
            good = [pool_texts(model, address), exported_config(model, address)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
