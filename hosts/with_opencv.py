"""OpenCV 5, its new engine.

Trap: the classic engine loads such a file as well, and computes other numbers.
"""

from pathlib import Path

import cv2
from driver import Call, main


def open_model(path: Path) -> Call:
    network = cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_NEW)
    if network.empty():
        raise RuntimeError("the network is empty: an operator is not supported")
    outputs = network.getUnconnectedOutLayersNames()

    def call(feed: dict) -> dict:
        for name, value in feed.items():
            network.setInput(value, name)
        results = network.forward(outputs)
        return {name: value.copy() for name, value in zip(outputs, results, strict=True)}

    return call


if __name__ == "__main__":
    main(open_model)
