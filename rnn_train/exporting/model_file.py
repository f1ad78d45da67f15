"""From a trained model to one self-describing `.onnx` file, proved before it is written."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnn_infer.contract import Golden
from rnn_train.errors import ExportError
from rnn_train.exporting import metadata, proof
from rnn_train.exporting.graph import Graph
from rnn_train.exporting.metadata import ModelCard
from rnn_train.exporting.model_graph import build_graph, file_bytes
from rnn_train.exporting.products import SMALLEST, Weights, holds_rounded
from rnn_train.exporting.proof import Loss
from rnn_train.exporting.variants import Variant
from rnn_train.files import write_bytes
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.progress import Log

__all__ = ["ModelCard", "check_exportable", "export"]


def export(
    model: CharLSTM | RecurrentClassifier,
    card: ModelCard,
    path: Path,
    *,
    step_only: bool = False,
    steps: int | None = None,
    weights: Weights = "float32",
    without_if: bool = False,
    loss: Loss | None = None,
    log: Log = print,
) -> dict[str, float]:
    """Build the graph, prove it against `model` through `rnn_infer`, and write the file.

    The same weights, card and variant give the same bytes.

    Args:
        model: the trained model. It is moved to the CPU and put into evaluation mode.
        card: describes it.
        path: of the file, which is written whole or not at all.
        step_only, steps, weights, without_if: see `Variant`.
        loss: measures what rounded weights (int8, float16) cost; they need it.
        log: gets a line if there is nothing to round.

    Returns:
        The proof: the largest difference that was found in each comparison.

    Raises:
        ExportError: the file would not give the model's numbers; nothing is written.
        RunError: `path` cannot be written.
    """
    variant = Variant(step_only=step_only, steps=steps, weights=weights, without_if=without_if)
    model = model.to("cpu").float().eval()
    _check_finite(model)
    # Build: first with a draft of the document, which lacks what only a run of the file can show.
    graph = build_graph(model, card.temperature, variant)
    draws = isinstance(model, CharLSTM) and not step_only
    document = metadata.draft(model, card, _weights_of(graph, weights, log), draws)
    with proof.opened(file_bytes(graph, document)) as stepper:
        golden = proof.record(stepper)
        if weights == "float32":
            figures = proof.prove(model, card.temperature, stepper)
        else:
            assert loss is not None, "rounded weights need a loss"
            exact = build_graph(model, card.temperature, replace(variant, weights="float32"))
            with proof.opened(file_bytes(exact, document)) as reference:
                figures = proof.prove_rounded(reference, stepper, loss, weights)
    golden = replace(golden, tolerance=proof.golden_tolerance(golden, figures))
    data = file_bytes(graph, replace(document, golden=golden, proof=figures).with_version())
    _check_like_draft(data, golden)
    write_bytes(path, data)
    return figures


def check_exportable(model: CharLSTM | RecurrentClassifier) -> None:
    """Check that a model can become a file, before it is trained. The model stays as it is.

    Raises:
        ExportError: its cell cannot be traced, or uses an operator that no file may hold.
    """
    build_graph(copy.deepcopy(model).to("cpu").float().eval(), 1.0, Variant())


def _check_finite(model: CharLSTM | RecurrentClassifier) -> None:
    """Check all weights. Raises `ExportError`: one is NaN or infinite."""
    if bad := [name for name, value in model.named_parameters() if not value.isfinite().all()]:
        raise ExportError(
            f"weights of {bad[0]} are not finite numbers; train again at a lower learning rate"
        )


def _weights_of(graph: Graph, asked: Weights, log: Log) -> Weights:
    """Return the number type of the large matrices. It is float32 if there are none to round, which
    the user is told."""
    if asked == "float32" or holds_rounded(graph):
        return asked
    log(
        f"no matrix of this network has {SMALLEST:,} weights, so {asked} rounds nothing: the file "
        "is float32"
    )
    return "float32"


def _check_like_draft(data: bytes, golden: Golden) -> None:
    """Run the finished file. Raises `ExportError`: it gives other logits than its draft gave."""
    with proof.opened(data) as stepper:
        if not np.allclose(proof.record(stepper).logits, golden.logits, rtol=1e-6, atol=1e-6):
            raise ExportError(
                "the finished file gives other logits than its draft; nothing was written: "
                "please report this"
            )
