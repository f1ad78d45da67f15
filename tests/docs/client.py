"""Stands for a command in a shell block: hands it to `page_runner.py`, ends with its exit code.

python client.py SOCKET PROGRAM [ARGUMENT]...
"""

import json
import os
import socket
import sys
from pathlib import Path


def ask(path: str, request: dict[str, object], streams: tuple[int, int, int] = (0, 1, 2)) -> int:
    """Sends a request with its standard streams, and returns the exit code."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(request).encode()], streams)
        return int(connection.recv(8) or b"70")  # nothing: the process died


if __name__ == "__main__":
    wanted: dict[str, object] = {"program": sys.argv[2], "arguments": sys.argv[3:]}
    sys.exit(ask(sys.argv[1], {**wanted, "folder": os.fspath(Path.cwd()), "environment": {}}))
