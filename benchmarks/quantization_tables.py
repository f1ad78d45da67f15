"""Tables of what 8 bits cost and bring, from the committed results."""

from typing import Any

from .harness import Race, read
from .markdown import markdown_table

WHOLE = ("float32", "int8", "int8, as shipped")
"""Files in which everything is float32, or everything that is large enough is int8."""


def quantization() -> str:
    """Renders loss, size and speed of the int8 file of each network."""
    content, races = read("quantization")
    return whole_files(content["networks"], races)


def whole_files(networks: list[dict[str, Any]], races: list[Race]) -> str:
    """Renders a row for each whole file of each network.

    Args:
        networks: what was measured.
        races: of their files, in the same order.
    """
    rows = []
    for network, found in zip(networks, races, strict=True):
        for kind, file in network["files"].items():
            if kind not in WHOLE:
                continue
            row = [network["network"], kind, f"{file['bytes'] / 1e6:.1f}", f"{file['loss']:.3f}"]
            if kind == "float32":
                rows.append([*row, "–", "–", "1.00×"])
                continue
            change = f"{file['change']:+.4f} ± {file['error']:.4f}"
            speed = f"{found.ratio(kind, 'float32'):.2f}×"
            rows.append([*row, change, f"{file['divergence']:.5f}", speed])
    head = ["network", "file", "MB", "loss, nats", "… more than float32", "divergence, nats"]
    return markdown_table([*head, "speed"], rows, left=2)


def quantization_parts() -> str:
    """Renders the divergence of classifiers of which some tensors alone are rounded."""
    content, _ = read("quantization")
    return parts(content["networks"])


def parts(networks: list[dict[str, Any]]) -> str:
    """Renders a row for each kind of tensor of each network that has such files."""
    rows = []
    for network in networks:
        alone = {kind: each for kind, each in network["files"].items() if kind not in WHOLE}
        if not alone:
            continue
        alone["everything"] = network["files"]["int8"]
        rows += [
            [network["network"], kind, f"{each['bytes'] / 1e6:.1f}", f"{each['divergence']:.6f}"]
            for kind, each in alone.items()
        ]
    return markdown_table(["network", "in int8", "MB", "divergence, nats"], rows, left=2)
