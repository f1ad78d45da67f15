"""What the checks of a file cost: opening the shipped models here and with onnxruntime alone.

python -m benchmarks.loading
"""

from pathlib import Path

import onnxruntime

from rnn_infer.runtime.stepper import Stepper

from .harness import Work, race, write

EXPORTED = Path(__file__).parents[1] / "exported"


def _ours(path: Path) -> Work:
    def work(count: int) -> None:
        for _ in range(count):
            Stepper.open(path, device="cpu")

    return work


def _bare(path: Path) -> Work:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1

    def work(count: int) -> None:
        for _ in range(count):
            onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    return work


def main() -> None:
    """Measures all shipped models."""
    races = []
    for path in sorted(EXPORTED.glob("*.onnx")):
        contestants = {"checked": _ours(path), "onnxruntime alone": _bare(path)}
        found = race(path.name, "load", contestants, rounds=15, slice_=0.1)
        races.append(found)
        both = zip(*found.samples.values(), strict=True)
        extra = sorted(ours - theirs for ours, theirs in both)[len(found.samples["checked"]) // 2]
        alone = found.typical("onnxruntime alone")
        print(f"{path.name}: {extra * 1e3:.1f} ms more than {alone * 1e3:.1f} ms")
    write("loading", races)


if __name__ == "__main__":
    main()
