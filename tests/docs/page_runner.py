"""Runs the code blocks of pages in processes that have PyTorch imported already.

    python page_runner.py SOCKET

A client connects, sends a request as JSON with its standard streams, and gets an exit code. Each
request is answered by a fork. `client.py` is the other side, which stands for the commands
`rnn-train` and `rnn-infer` in the shell blocks of a page.
"""

import contextlib
import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

SMALL = {
    "charlm": {"hidden": 12, "layers": 1, "embedding": 8},
    "classifier": {"hidden": 8, "ngrams": 1, "evidence": 1},
}
"""Sizes of the networks that the blocks train."""
WARM = [
    "torch._dynamo",
    "sklearn.linear_model",
    "sklearn.svm",
    "rnn_train.evaluation.plots",
    "rnn_train.api",
    "rnn_train.cli",
    "rnn_infer.cli",
]
"""Modules that are slow to import."""
DATA = {"charlm": "book.txt", "classifier": "names.csv"}


def cut_down(arguments: list[str]) -> list[str]:
    """Returns the arguments of `rnn-train` for a run of a second: one pass, a small network."""
    command = next((each for each in arguments if each in SMALL), None)
    if command is None or "--resume" in arguments or "--help" in arguments:
        return arguments
    settings = {"epochs": 1, "threads": 1, **SMALL[command]}
    if "--init-from" in arguments:  # the shape comes from there
        settings = {"epochs": 1, "threads": 1}
    if "--ensemble" in arguments:
        settings["ensemble"] = 2
    if "--data" not in arguments:
        arguments = [*arguments, "--data", DATA[command]]
    short = []
    left = iter(arguments)
    for each in left:
        if each == "--minutes" or each.removeprefix("--") in settings:
            next(left)
        else:
            short.append(each)
    for name, value in settings.items():
        short += [f"--{name}", str(value)]
    return short


def run_command(program: str, arguments: list[str]) -> None:
    """Runs `rnn-train` or `rnn-infer` in this process."""
    if program == "rnn-train":
        from rnn_train.cli import main as train

        train.main(cut_down(arguments), prog_name=program)
    else:
        from rnn_infer.cli import main as infer

        infer.main(arguments, prog_name=program)


def run_page(blocks: list[dict[str, Any]]) -> None:
    """Runs the blocks of a page in order. The Python blocks share their names, as in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__"}
    sys.path.insert(0, str(Path.cwd()))
    for block in blocks:
        where = f"{block['page']}:{block['line']}"
        print(f"── {where}", flush=True)
        if block["language"] == "sh":
            shell = ["bash", "-euo", "pipefail", "-c", block["code"]]
            code = subprocess.run(shell, timeout=120, check=False).returncode
            if code:
                print(f"{where}: the shell ended with {code}", flush=True)
                sys.exit(1)
            continue
        if file := re.match(r"# (\w+\.py)\b", block["code"]):
            Path(file[1]).write_text(block["code"], "utf-8")
        lines = "\n" * (block["line"] - 1)  # so that a traceback has the line of the page
        exec(compile(lines + block["code"], block["page"], "exec"), names)


def _answer(connection: socket.socket) -> None:
    """Does what one request asks for, in a fork of the server, and never returns."""
    data, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    request = json.loads(data)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    code = 1
    try:
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if "blocks" in request:
            run_page(request["blocks"])
        else:
            run_command(request["program"], request["arguments"])
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    connection.sendall(str(code).encode())
    os._exit(code)


def _warm_up() -> None:
    """Imports what the commands import, and what PyTorch imports when it is first used."""
    import matplotlib
    import torch

    matplotlib.use("Agg")
    torch.set_num_threads(1)  # a process that forks must have no threads
    for module in WARM:
        importlib.import_module(module)
    torch.onnx.export(
        torch.nn.Linear(1, 1).eval(), (torch.zeros(1, 1),), dynamo=True, verbose=False
    )


def main() -> None:
    """Listens until it is terminated."""
    with contextlib.redirect_stdout(sys.stderr):
        _warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that have ended leave nothing behind
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sys.argv[1])
        server.listen(16)
        print("ready", flush=True)
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _answer(connection)
            connection.close()


if __name__ == "__main__":
    main()
