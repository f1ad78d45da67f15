#!/usr/bin/env bash
# What:    torch.compile of nn.LSTM, nn.GRU or nn.RNN compiles nothing, and says nothing: the back
#          end gets no graph and no warning is given. Only fullgraph=True raises an error.
# Version: torch 2.13.0
# Guess:   The module becomes one graph, or a warning says that it runs uncompiled.
# Why:     A benchmark of a "compiled" recurrent model measures the uncompiled one. Ask with
#          fullgraph=True first, or set torch._dynamo.config.allow_rnn = True (experimental).
# Note:    On Linux the default torch package brings large GPU libraries. The output below is from
#          a CPU build of this release.
# Output seen:
#   torch 2.13.0
#   guess:  each module gives one graph, or a warning
#   seen:   Linear: 1 graphs, 1 operations
#   seen:   LSTM: 0 graphs, 0 operations
#   seen:   GRU: 0 graphs, 0 operations
#   seen:   RNN: 0 graphs, 0 operations
#   seen:   0 warnings
#   seen:   fullgraph=True raises Unsupported: Attempted to wrap RNN, GRU, or LSTM
#   cure:   torch._dynamo.config.allow_rnn = True: 1 graph, 6 operations
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6

venv/bin/python -I - <<'PYTHON'
import warnings

import torch


class Counter:
    """A compiler back end that counts the graphs and the operations it is given."""

    def __init__(self) -> None:
        self.graphs = 0
        self.calls = 0

    def __call__(self, graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> object:
        self.graphs += 1
        self.calls += sum(node.op.startswith("call") for node in graph.graph.nodes)
        return graph.forward


def compiled(module: torch.nn.Module, fullgraph: bool = False) -> tuple[int, int]:
    """Run a compiled module once and return the counts of graphs and operations."""
    torch._dynamo.reset()
    counter = Counter()
    torch.compile(module, backend=counter, fullgraph=fullgraph)(torch.zeros(3, 1, 4))
    return counter.graphs, counter.calls


print(f"torch {torch.__version__.split('+')[0]}")
print("guess:  each module gives one graph, or a warning")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    seen = {
        name: compiled(module)
        for name, module in {
            "Linear": torch.nn.Linear(4, 8),
            "LSTM": torch.nn.LSTM(4, 8),
            "GRU": torch.nn.GRU(4, 8),
            "RNN": torch.nn.RNN(4, 8),
        }.items()
    }
for name, (graphs, calls) in seen.items():
    print(f"seen:   {name}: {graphs} graphs, {calls} operations")
print(f"seen:   {len(caught)} warnings")
assert seen["Linear"] == (1, 1), "changed: the control"
assert all(seen[name] == (0, 0) for name in ("LSTM", "GRU", "RNN")), "changed: it compiles"
assert not caught, "changed: it warns"

try:
    compiled(torch.nn.LSTM(4, 8), fullgraph=True)
except torch._dynamo.exc.Unsupported as error:
    print(f"seen:   fullgraph=True raises Unsupported: {str(error).splitlines()[0]}")
else:
    raise AssertionError("changed: fullgraph=True compiles")

torch._dynamo.config.allow_rnn = True
graphs, calls = compiled(torch.nn.LSTM(4, 8), fullgraph=True)
print(f"cure:   torch._dynamo.config.allow_rnn = True: {graphs} graph, {calls} operations")
assert graphs == 1 and calls > 0, "changed: the switch"
PYTHON
