"""The whole graph of a model file: inputs, the network, generation and outputs."""

from collections.abc import Sequence

from rnn_infer import contract
from rnn_infer.contract import Metadata
from rnn_train.exporting import capture
from rnn_train.exporting.generation import generate
from rnn_train.exporting.graph import FLOAT, INT64, Graph
from rnn_train.exporting.network import Network
from rnn_train.exporting.products import products_of
from rnn_train.exporting.sampling import SamplingInputs
from rnn_train.exporting.unrolled import unroll
from rnn_train.exporting.variants import Variant
from rnn_train.models.charlm import CharLSTM
from rnn_train.models.classifier import RecurrentClassifier

Results = tuple[str, list[str], str]
"""The logits [batch, time, n], the next states, and the drawn tokens [batch, steps] or ""."""


def build_graph(
    model: CharLSTM | RecurrentClassifier, temperature: float, variant: Variant
) -> Graph:
    """Build the graph of a model.

    Args:
        model: on the CPU, in evaluation mode.
        temperature: divides the logits.
        variant: of the file.
    """
    network = Network(model, temperature, products_of(variant.weights))
    graph = Graph("rnn", capturable=variant.steps is not None)
    time, steps = variant.steps or "time", variant.steps or "steps"
    tokens = graph.input(contract.TOKENS, INT64, ["batch", time])
    states = [graph.input(name, FLOAT, ["batch", width]) for name, width in network.states.items()]
    sampling = None
    if isinstance(model, CharLSTM) and not variant.step_only:
        sampling = SamplingInputs.declare(graph, network.outputs, steps)
    if variant.steps:
        results = unroll(graph, network, sampling, tokens, states, variant.steps)
    else:
        results = _any_length(graph, network, sampling, tokens, states, variant)
    logits, after, generated = results
    dims = ["batch", time, network.outputs]
    graph.output(logits, FLOAT, dims, name=graph.fresh(contract.LOGITS))
    for value, (name, width) in zip(after, network.states.items(), strict=True):
        graph.output(value, FLOAT, ["batch", width], name=graph.fresh(name + contract.NEXT))
    if generated:
        graph.output(generated, INT64, ["batch", steps], name=graph.fresh(contract.GENERATED))
    return graph


def _any_length(
    graph: Graph,
    network: Network,
    sampling: SamplingInputs | None,
    tokens: str,
    states: Sequence[str],
    variant: Variant,
) -> Results:
    """Add any number of tokens [batch, time], then any number of draws."""
    by_time = graph.add("Transpose", tokens, perm=[1, 0], name="tokens_by_time")
    short = network.labels and not variant.without_if
    logits, after = network.sequence(graph, by_time, states, short)
    generated = ""
    if sampling:
        last = graph.add("Gather", logits, graph.constant("last_index", -1), axis=0, name="now")
        generated, after = generate(
            graph, network, sampling, last, after, without_if=variant.without_if
        )
    by_stream = graph.add("Transpose", logits, perm=[1, 0, 2], name="logits_by_stream")
    return by_stream, after, generated


def file_bytes(graph: Graph, document: Metadata) -> bytes:
    """Return the bytes of a file: the same graph and document give the same bytes.

    Raises:
        ExportError: a CUDA graph could not replay this graph of fixed steps safely.
    """
    metadata = {contract.METADATA_KEY: document.with_version().to_json()}
    model = graph.model(contract.OPSET, contract.IR_VERSIONS.start, metadata)
    if graph.capturable:
        capture.check_joints(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
