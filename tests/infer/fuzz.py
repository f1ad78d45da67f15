"""Damaged and hostile model files, tried in a process of their own.

    python tests/infer/fuzz.py --cases 10000        # long; test_fuzz.py runs 240

Each file must give a `ModelFileError`, or a model that behaves. The name of each case is printed
before it is tried, so that a crash can be found. The last line printed is a JSON summary.
"""

import argparse
import json
import math
import random
import resource
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rnn_infer
from rnn_infer import contract
from rnn_infer.modelfile.onnx_proto import model_class

DATA = Path(__file__).parents[1] / "data"
NAMES = ("charlm", "charlm.step", "charlm.one", "charlm.three", "wide", "classifier", "gru")
FLOAT, INT64 = 1, 7
MEMORY = 2**30
"""Address space that a case may use beyond that of an idle process. The system refuses more."""

Edit = Callable[[Any], object]


def read(name: str) -> bytes:
    return (DATA / f"{name}.onnx").read_bytes()


# --- the behaviour of a model ---------------------------------------------------------


def behave(path: Path) -> str:
    """Load and use a file. Return "refused" or "runs". Any other outcome raises."""
    try:
        model = rnn_infer.load(path, device="cpu")
        if isinstance(model, rnn_infer.CharLM):
            _use_charlm(model)
        else:
            _use_classifier(model)
    except rnn_infer.ModelFileError as error:
        message = str(error)
        assert message.startswith(f"{path}: "), f"the file is not named: {message!r}"
        assert len(message.splitlines()) == 1, f"more than one line: {message!r}"
        assert len(message) < 2000, f"too long: {message[:200]!r}"
        message.encode()
        return "refused"
    return "runs"


def _use_charlm(lm: rnn_infer.CharLM) -> None:
    vocabulary = set(lm.metadata.vocabulary)
    prompt = "".join(lm.metadata.vocabulary[:5])
    for options in ({}, {"top_k": 3, "top_p": 0.9}, {"temperature": 0}):
        for text in lm.generate([prompt, ""], length=7, seed=1, **options):
            assert len(text) == 7, f"{len(text)} characters instead of 7"
            assert set(text) <= vocabulary
    session = lm.session(seed=1)
    session.feed(prompt)
    saved = session.save()
    assert lm.session(restore=saved).generate(5) == session.generate(5)
    assert len(session.probabilities()) == len(vocabulary)
    assert lm.score(prompt * 3).characters == 3 * len(prompt) - 1
    assert len(lm.next(prompt, top=2)) == min(2, len(vocabulary))


def _use_classifier(classifier: rnn_infer.Classifier) -> None:
    text = "".join(classifier.metadata.vocabulary[:5])
    for found in classifier.classify([text, text[:1]], top=2, prior=1):
        assert 0 <= found.probability <= 1
        assert found.label in classifier.labels
    assert len(classifier.trace(text)) >= 1


# --- random damage --------------------------------------------------------------------


def damaged(seed: int) -> bytes:
    """Return a good file with flipped bits, lost or repeated bytes, or a piece of another file."""
    chance = random.Random(seed)
    data = bytearray(read(chance.choice(NAMES)))
    for _ in range(chance.choice((1, 1, 1, 2, 8))):
        at = chance.randrange(len(data) + 1)
        size = chance.choice((1, 8, 200, 4000))
        match chance.randrange(7):
            case 0 | 1:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 2:
                data[at : at + size] = chance.randbytes(chance.randrange(size + 1))
            case 3:
                del data[at : at + size]
            case 4:
                data[at:at] = data[at - size : at]
            case 5:
                other = read(chance.choice(NAMES))
                data[at : at + size] = other[at : at + size]
            case 6:
                del data[max(at, 1) :]
        data = data or bytearray(1)
    return bytes(data)


def edited(seed: int) -> bytes:
    """Return a good file with a changed ONNX message. It can still be parsed."""
    chance = random.Random(seed)
    model = model_class().FromString(read(chance.choice(NAMES)))
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(
            (_edit_document, _edit_document, _edit_tensor, _edit_tensor, _edit_node, _edit_node)
        )(model, chance)
    return bytes(model.SerializeToString())


ODD_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 1e308, -0.0, 0.5, "", "\n", "a", "\ud800", "x" * 300),
    *([], [0], ["a"], {}, {"a": 1}, [[]]),
)


def _edit_document(model: Any, chance: random.Random) -> None:
    try:
        document = json.loads(model.metadata_props[0].value)
    except (ValueError, IndexError):
        return
    owner, key = document, chance.choice(sorted(document))
    while isinstance(owner[key], (dict, list)) and owner[key] and chance.random() < 0.7:
        owner = owner[key]
        key = (
            chance.choice(sorted(owner))
            if isinstance(owner, dict)
            else chance.randrange(len(owner))
        )
    match chance.randrange(4):
        case 0 | 1:
            owner[key] = chance.choice(ODD_VALUES)
        case 2:
            del owner[key]
        case 3 if isinstance(owner, dict):
            owner[chance.choice(("more", "a\nb", ""))] = chance.choice(ODD_VALUES)
    model.metadata_props[0].value = json.dumps(document).encode()


def _edit_tensor(model: Any, chance: random.Random) -> None:
    tensor = chance.choice(model.graph.initializer)
    match chance.randrange(5):
        case 0 if tensor.dims:
            tensor.dims[chance.randrange(len(tensor.dims))] += chance.choice((-1, 1, 2**31))
        case 1:
            tensor.data_type = chance.choice((1, 2, 3, 6, 7, 9, 10, 11, 8, 16, 99))
        case 2 if len(tensor.dims) > 1:
            tensor.dims[0], tensor.dims[1] = tensor.dims[1], tensor.dims[0]
        case 3 if tensor.data_type == INT64 and len(tensor.raw_data) >= 8:
            raw = bytearray(tensor.raw_data)
            number = chance.choice((-(2**63), -1, 0, 1, 3, 2**62))
            struct.pack_into("<q", raw, 8 * chance.randrange(len(raw) // 8), number)
            tensor.raw_data = bytes(raw)
        case 4 if tensor.data_type == FLOAT and len(tensor.raw_data) >= 4:
            raw = bytearray(tensor.raw_data)
            value = chance.choice((math.nan, math.inf, -math.inf, 3e38, 1e-45))
            struct.pack_into("<f", raw, 4 * chance.randrange(len(raw) // 4), value)
            tensor.raw_data = bytes(raw)


def _edit_node(model: Any, chance: random.Random) -> None:
    node = chance.choice(model.graph.node)
    values = [name for each in model.graph.node for name in (*each.input, *each.output)]
    match chance.randrange(6):
        case 0 if node.input:
            node.input[chance.randrange(len(node.input))] = chance.choice(values)
        case 1 if node.output:
            node.output[chance.randrange(len(node.output))] = chance.choice(values)
        case 2:
            node.op_type = chance.choice(sorted(contract.OPERATORS)).encode()
        case 3 if node.attribute:
            attribute = chance.choice(node.attribute)
            attribute.i = chance.choice((-(2**63), -1, 0, 1, 2**31, 2**63 - 1))
            attribute.type = chance.choice((1, 2, 3, 4, 5, 6, 7, 8))
        case 4:
            model.graph.node.remove(node)
        case 5:
            model.graph.node.append(chance.choice(model.graph.node))


# --- attacks --------------------------------------------------------------------------


def _constant(graph: Any, name: str, dims: list[int], values: list[float] | None = None) -> bytes:
    """Add a float32 initializer, of zeros if no values are given. Return its name."""
    count = math.prod(dims)
    raw = struct.pack(f"<{count}f", *(values or [0.0] * count))
    graph.initializer.add(name=name.encode(), data_type=FLOAT, dims=dims, raw_data=raw)
    return name.encode()


def _integers(graph: Any, name: str, values: list[int]) -> bytes:
    raw = struct.pack(f"<{len(values)}q", *values)
    graph.initializer.add(name=name.encode(), data_type=INT64, dims=[len(values)], raw_data=raw)
    return name.encode()


def _node(graph: Any, op: str, inputs: list[bytes], outputs: list[bytes], **integers: int) -> Any:
    node = graph.node.add(op_type=op.encode(), input=inputs, output=outputs)
    for name, value in integers.items():
        node.attribute.add(name=name.encode(), type=2, i=value)
    return node


def _wrap(graph: Any, name: bytes) -> bytes:
    """Rename the output `name` in its node, so that another node can compute the output from it."""
    for node in graph.node:
        for i, output in enumerate(node.output):
            if output == name:
                node.output[i] = b"true_" + name
    return b"true_" + name


def _bomb(model: Any) -> None:
    shape = _integers(model.graph, "huge", [2**40])
    _node(model.graph, "ConstantOfShape", [shape], [b"bomb"])


def _tile(model: Any) -> None:
    what = _constant(model.graph, "what", [1])
    _node(model.graph, "Tile", [what, _integers(model.graph, "times", [2**40])], [b"bomb"])


def _doubling(model: Any) -> None:
    """Concatenate a value with itself 50 times: 4 bytes become petabytes."""
    value = _constant(model.graph, "grain", [1])
    for i in range(50):
        doubled = f"doubled{i}".encode()
        _node(model.graph, "Concat", [value, value], [doubled], axis=0)
        value = doubled
    true = _wrap(model.graph, b"logits")
    _node(model.graph, "ReduceSum", [value], [b"mass"], keepdims=0)
    _node(model.graph, "Add", [true, b"mass"], [b"logits"])


def _wide_product(model: Any) -> None:
    """Multiply two vectors of 64 kB into a matrix of a gigabyte, and that matrix with itself."""
    tall, flat = (
        _constant(model.graph, "tall", [2**14, 1]),
        _constant(model.graph, "flat", [1, 2**14]),
    )
    _node(model.graph, "MatMul", [tall, flat], [b"square"])
    _node(model.graph, "MatMul", [b"square", b"square"], [b"cube"])
    _node(model.graph, "ReduceSum", [b"cube"], [b"mass"], keepdims=0)
    _node(model.graph, "Add", [_wrap(model.graph, b"logits"), b"mass"], [b"logits"])


def _dims(*dims: int) -> Edit:
    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        del tensor.dims[:]
        tensor.dims.extend(dims)

    return change


def _weights(value: float) -> Edit:
    def change(model: Any) -> None:
        for tensor in model.graph.initializer:
            if tensor.data_type == FLOAT and len(tensor.raw_data) > 8:
                tensor.raw_data = struct.pack("<f", value) * (len(tensor.raw_data) // 4)

    return change


def _cycle(model: Any) -> None:
    _node(model.graph, "Add", [b"there", b"there"], [b"back"])
    _node(model.graph, "Add", [b"back", b"back"], [b"there"])


def _cycle_through_a_body(model: Any) -> None:
    """Let the body of a Scan read a value that is computed from the Scan's result."""
    scan = next(node for node in model.graph.node if node.op_type == b"Scan")
    body = next(each.g for each in scan.attribute if each.HasField("g"))
    _node(body, "Add", [b"logits", b"logits"], [b"later_value"])


def _twice(model: Any) -> None:
    model.graph.node.append(model.graph.node[0])


def _outside(location: str) -> Edit:
    def change(model: Any) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = 1
        tensor.external_data.add(key=b"location", value=location.encode())

    return change


def _nested(model: Any) -> None:
    graph = model.graph
    for _ in range(60):
        node = _node(graph, "If", [b"condition"], [b"x"])
        graph = node.attribute.add(name=b"then_branch", type=5).g


def _many_nodes(model: Any) -> None:
    for i in range(contract.MAX_NODES + 1):
        _node(model.graph, "Identity", [b"tokens"], [f"copy{i}".encode()])


def _long_document(model: Any) -> None:
    document = json.loads(model.metadata_props[0].value)
    document["training"]["facts"] = "x" * contract.MAX_METADATA_BYTES
    model.metadata_props[0].value = json.dumps(document).encode()


def _deep_document(model: Any) -> None:
    model.metadata_props[0].value = b'{"training":' * 50_000


def _foreign_bytes(model: Any) -> None:
    for node in model.graph.node:
        node.name = b"\xff\xfe\n"
        node.doc_string = b"\xff"


def _odd_names(model: Any) -> None:
    true = _wrap(model.graph, b"logits")
    _node(model.graph, "Neg", [true], [b"a\nb\x1b[2J"])
    _node(model.graph, "LSTM", [b"a\nb\x1b[2J"], [b"logits"])


def _optional_everything(model: Any) -> None:
    for node in model.graph.node:
        node.input.append(b"")
        node.output.append(b"")


def _attribute_without_value(model: Any) -> None:
    for node in model.graph.node:
        for attribute in node.attribute:
            for field in ("f", "i", "s", "t"):
                attribute.ClearField(field)


def _no_outputs(model: Any) -> None:
    del model.graph.node[-1].output[:]


ATTACKS: dict[str, Edit] = {
    "bomb of a shape": _bomb,
    "bomb of tiles": _tile,
    "bomb of doublings": _doubling,
    "bomb of products": _wide_product,
    "dims of 2^31": _dims(2**31),
    "dims of 2^31 twice": _dims(2**31, 2**31),
    "dims whose product overflows": _dims(2**29, 2**29, 2**6),
    "dims below zero": _dims(-1, -1),
    "dims of zero and a huge number": _dims(0, 2**29),
    "weights of NaN": _weights(math.nan),
    "infinite weights": _weights(math.inf),
    "huge weights": _weights(3e38),
    "cycle": _cycle,
    "cycle through a body": _cycle_through_a_body,
    "duplicate names": _twice,
    "path to a parent folder": _outside("../../../../etc/passwd"),
    "absolute path": _outside("/etc/passwd"),
    "device file as data": _outside("/dev/zero"),
    "nesting": _nested,
    "many nodes": _many_nodes,
    "long document": _long_document,
    "deep document": _deep_document,
    "foreign bytes": _foreign_bytes,
    "odd names": _odd_names,
    "empty inputs": _optional_everything,
    "attributes without value": _attribute_without_value,
    "no outputs": _no_outputs,
}


def _changed(output: str, op: str, value: float | int | None = None, **integers: int) -> Edit:
    """Return an edit that changes `output` by one operator to an undeclared shape or range."""

    def change(model: Any) -> None:
        true = _wrap(model.graph, output.encode())
        if op == "Concat":
            second = true
        elif isinstance(value, int):
            second = _integers(model.graph, "added", [value])
        else:
            second = _constant(model.graph, "added", [1], [float(value or 0)])
        _node(model.graph, op, [true, second], [output.encode()], **integers)

    return change


FALSE_OUTPUTS: dict[str, Edit] = {
    "twice as many logits": _changed("logits", "Concat", axis=1),
    "logits of more streams": _changed("logits", "Concat", axis=0),
    "states of more streams": _changed("h0_next", "Concat", axis=0),
    "twice as many tokens": _changed("generated", "Concat", axis=1),
    "tokens of more streams": _changed("generated", "Concat", axis=0),
    "tokens beyond the vocabulary": _changed("generated", "Add", 1000),
    "tokens below zero": _changed("generated", "Sub", 1000),
}
"""Faults that appear only when the graph runs."""


# --- all cases ------------------------------------------------------------------------


def crafted(attacks: dict[str, Edit], of: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """Yield a name and a file for each attack on each of the files `of`."""
    for name in of:
        for what, edit in attacks.items():
            model = model_class().FromString(read(name))
            edit(model)
            yield f"{what}, in {name}", bytes(model.SerializeToString())


def cases(what: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of the files to try."""
    if what == "attacks":
        yield from crafted(ATTACKS, ("charlm", "gru"))
    elif what == "false outputs":
        yield from crafted(FALSE_OUTPUTS, ("charlm",))
    else:
        for seed in range(count):
            maker = edited if seed % 2 else damaged
            yield f"{maker.__name__}({seed})", maker(seed)


def limit_memory() -> None:
    """Limit the address space of this process. Only Linux reports how much it uses."""
    behave(DATA / "gru.onnx")  # loads all libraries
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak_memory() -> int:
    """Return the peak memory of this process in MB. (`getrusage` would include the parent.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 2**10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=("random", "attacks", "false outputs"), default="random")
    parser.add_argument("--cases", type=int, default=300)
    options = parser.parse_args()
    limit_memory()
    outcomes = {"runs": 0, "refused": 0}
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.onnx"
        for name, data in cases(options.what, options.cases):
            print(name, flush=True)
            path.write_bytes(data)
            try:
                outcomes[behave(path)] += 1
            except Exception as error:
                faults.append(f"{name}: {type(error).__name__}: {error}")
    print(json.dumps({**outcomes, "faults": faults, "peak_mb": peak_memory()}))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
