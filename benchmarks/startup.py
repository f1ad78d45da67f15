"""Cold starts: seconds from a new process to the first character and to an import; installed sizes.

python -m benchmarks.startup
"""

import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

from .harness import Work, race, write

MODEL = Path(__file__).parents[1] / "exported" / "charlm.onnx"
INT8 = MODEL.with_suffix(".int8.onnx")
PACKAGES = ("onnxruntime", "numpy", "protobuf", "click", "flatbuffers", "packaging")
"""Distributions that inference needs, without pip and setuptools."""


def _process(*arguments: str) -> Work:
    def work(count: int) -> None:
        for _ in range(count):
            subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)

    return work


def _first_character(model: Path) -> Work:
    options = ["--model", str(model), "--prompt", "ROMEO:", "--length", "1", "--device", "cpu"]
    return _process("-m", "rnn_infer.cli", "generate", *options)


def installed_bytes(package: str) -> int:
    """Bytes of a distribution's files on disk."""
    found = distribution(package)
    paths = [Path(str(found.locate_file(each))) for each in found.files or []]
    return sum(path.stat().st_size for path in paths if path.is_file())


def main() -> None:
    """Times the processes and adds up the sizes."""
    contestants = {
        "first character": _first_character(MODEL),
        "first character int8": _first_character(INT8),
        "import rnn_infer": _process("-c", "import rnn_infer"),
        "import torch": _process("-c", "import torch"),
        "python alone": _process("-c", "pass"),
    }
    found = race("cold process", "process", contestants, rounds=9, slice_=0.01)
    for name in found.samples:
        print(f"  {name:24} {found.typical(name):6.3f} s")
    share = 1 / found.ratio("first character", "import torch")
    print(f"  first character / import torch: {share:.2f}")
    sizes = {
        "inference side": sum(map(installed_bytes, PACKAGES)),
        "torch": installed_bytes("torch"),
    }
    write("startup", [found], installed_bytes=sizes)


if __name__ == "__main__":
    main()
