"""Generating text: microseconds a character of every stream, this project against its peers.

python -m benchmarks.generation [--quick]
"""

import sys
from collections.abc import Callable

import numpy as np
import torch

from . import networks
from .harness import Race, Work, race, write
from .networks import Shape

SHAPES = (Shape(1, 128), Shape(2, 256), Shape(2, 512), Shape(1, 1024), Shape(3, 1024))
OTHER_VOCABULARY = Shape(2, 512, 256)
STREAMS = (1, 8, 64, 512)
COMPILED = (Shape(1, 128), Shape(2, 512))
"""Shapes that `torch.compile` takes part in: it takes half a minute to start and differs little."""


def contestants(shape: Shape, streams: int, threads: int, compiled: bool) -> dict[str, Work]:
    """All contestants that can run this shape."""
    torch.set_num_threads(threads)
    float32 = networks.ours(shape, threads=threads)
    int8 = networks.ours(shape, weights="int8", threads=threads)
    lstm, cells = networks.torch_lstm(shape, streams), networks.torch_cells(shape, streams)
    found = {
        "ours": networks.our_generation(float32, streams),
        "ours int8": networks.our_generation(int8, streams),
        "onnxruntime, a run a character": networks.naive_onnxruntime(shape, streams, threads),
        "torch nn.LSTM": lstm,
        "torch nn.LSTM, no oneDNN": networks.guarded(lstm),
        "torch nn.LSTMCell": cells,
        "torch nn.LSTM int8": networks.torch_lstm(shape, streams, int8=True),
    }
    if compiled:
        found["torch nn.LSTMCell compiled"] = networks.torch_cells(shape, streams, compiled=True)
    return found


def read_rate(size: int, threads: int = 1) -> float:
    """Bytes a second that this machine reads from a working set of `size` bytes, repeatedly.

    By the fastest of a sum, an inner product and a product with a vector: no step can read its
    weights in less.
    """
    torch.set_num_threads(threads)
    matrix, vector = torch.zeros(size // 4096, 1024), torch.zeros(1024)
    flat, result = matrix.flatten(), torch.zeros(len(matrix))
    one, other = flat[: len(flat) // 2], flat[len(flat) // 2 :][: len(flat) // 2]
    readers: dict[str, Callable[[], object]] = {
        "sum": flat.sum,
        "dot": lambda: torch.dot(one, other),
        "mv": lambda: torch.mv(matrix, vector, out=result),
    }

    def repeated(read: Callable[[], object]) -> Work:
        def work(count: int) -> None:
            for _ in range(count):
                read()

        return work

    found = race("read", "pass", {name: repeated(read) for name, read in readers.items()})
    return size / min(min(samples) for samples in found.samples.values())


def weight_bytes(shape: Shape, item: int) -> int:
    """Bytes of weights that a character must read: recurrent and input matrices, and the head.

    The first layer's input matrix is folded into a table, of which one row is read.
    """
    width = shape.width
    matrices = 4 * width * width * (2 * shape.layers - 1)
    return matrices * item + 4 * width * shape.vocabulary


def main() -> None:
    """Measures all shapes, or a few with `--quick`."""
    quick = "--quick" in sys.argv
    races: list[Race] = []
    rates: dict[str, float] = {}
    schedule = [(shape, 1, 1) for shape in SHAPES]
    if not quick:
        schedule += [(OTHER_VOCABULARY, 1, 1), (Shape(2, 512), 1, 2), (Shape(1, 1024), 1, 2)]
        schedule += [(Shape(2, 512), streams, 2) for streams in STREAMS[1:]]
        schedule += [(Shape(1, 128), streams, 1) for streams in STREAMS[1:]]
    for shape, streams, threads in schedule:
        name = f"{shape}; {streams} streams; {threads} threads"
        compiled = not quick and shape in COMPILED and streams in (1, 64)
        field = contestants(shape, streams, threads, compiled)
        races.append(race(name, "step of all streams", field, rounds=3 if quick else 9))
        if streams == 1 and threads == 1:
            for label, item in (("ours", 4), ("ours int8", 1)):
                size = weight_bytes(shape, item)
                rates[f"{name}; {label}"] = size / read_rate(size)
        _show(races[-1], rates)
    if not quick:
        write("generation", races, roofline_seconds=rates)


def _show(found: Race, rates: dict[str, float]) -> None:
    print(found.name)
    for contestant in found.samples:
        line = f"  {contestant:32} {found.typical(contestant) * 1e6:10.1f} µs"
        floor = rates.get(f"{found.name}; {contestant}")
        print(
            line + (f"   {found.typical(contestant) / floor:.2f} × the roofline" if floor else "")
        )
    sys.stdout.flush()


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()
