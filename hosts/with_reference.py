"""The onnx package's ReferenceEvaluator: plain numpy, for reading rather than for speed."""

from pathlib import Path

from driver import Call, main
from onnx.reference import ReferenceEvaluator


def open_model(path: Path) -> Call:
    session = ReferenceEvaluator(str(path))
    return lambda feed: dict(zip(session.output_names, session.run(None, feed), strict=True))


if __name__ == "__main__":
    main(open_model)
