"""The example server, with httpx and with OpenAI's own client."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from examples import server
from rnn_infer import CharLM, Classifier

ROOT = Path(__file__).parents[2]
LM, CLASSIFIER = ROOT / "tests/data/charlm.onnx", ROOT / "tests/data/gru.onnx"


@pytest.fixture(scope="module")
def lm() -> CharLM:
    return CharLM.load(LM, device="cpu")


@pytest.fixture(scope="module")
def url(lm: CharLM) -> Iterator[str]:
    """The address of a server in a thread."""
    app = server.application(lm, Classifier.load(CLASSIFIER, device="cpu"))
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    _, port = running.servers[0].sockets[0].getsockname()
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join()


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


def events(response: httpx.Response) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line)["choices"][0] for line in lines]


def wait_until_idle(client: httpx.Client) -> None:
    deadline = time.monotonic() + 10
    while client.get("/health").json()["texts"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_text_is_that_of_the_library(client: httpx.Client, lm: CharLM) -> None:
    request = {"prompt": "the", "max_tokens": 50, "seed": 3, "temperature": 0.5, "top_k": 4}
    answer = client.post("/v1/completions", json=request).json()
    text = lm.generate("the", length=50, seed=3, temperature=0.5, top_k=4)
    assert answer["choices"] == [{"index": 0, "text": text, "finish_reason": "length"}]
    assert answer["object"] == "text_completion"


def test_events_are_the_same_text(client: httpx.Client, lm: CharLM) -> None:
    request = {"prompt": "the", "max_tokens": 100, "seed": 3, "temperature": 0.8, "stream": True}
    with client.stream("POST", "/v1/completions", json=request) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        found = events(response)
    assert "".join(each["text"] for each in found) == lm.generate("the", length=100, seed=3)
    assert len(found) == 5
    assert [each["finish_reason"] for each in found] == [None] * 4 + ["length"]


@pytest.mark.parametrize("stream", [True, False])
def test_stop_text(client: httpx.Client, lm: CharLM, stream: bool) -> None:
    free = lm.generate("the", length=90, seed=3)
    stop = free[40:44]
    request = {"prompt": "the", "max_tokens": 90, "seed": 3, "temperature": 0.8, "stop": [stop]}
    response = client.post("/v1/completions", json=request | {"stream": stream})
    found = events(response) if stream else response.json()["choices"]
    assert "".join(each["text"] for each in found) == free[: free.index(stop)]
    assert found[-1]["finish_reason"] == "stop"


def test_many_clients_share_batches(url: str, lm: CharLM) -> None:
    async def main() -> list[str]:
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            request = {"prompt": "the", "max_tokens": 60, "temperature": 0.8}
            posts = [client.post("/v1/completions", json=request | {"seed": i}) for i in range(20)]
            return [r.json()["choices"][0]["text"] for r in await asyncio.gather(*posts)]

    assert asyncio.run(main()) == lm.generate(["the"] * 20, length=60, seed=0)


@pytest.mark.parametrize("stream", [True, False])
def test_client_that_goes_away_frees_its_row(client: httpx.Client, url: str, stream: bool) -> None:
    request = {"prompt": "the", "max_tokens": server.LENGTH, "seed": 1, "stream": stream}
    body = json.dumps(request)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as gone:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        gone.sendall((head + body).encode())
        while client.get("/health").json()["texts"] == 0:
            time.sleep(0.001)
    started = time.monotonic()
    wait_until_idle(client)
    request = {"prompt": "the", "max_tokens": server.LENGTH, "seed": 1}
    idle = time.monotonic() - started
    started = time.monotonic()
    client.post("/v1/completions", json=request)
    assert idle < time.monotonic() - started  # it did not draw the text to its end


def test_full_pool_is_busy(
    client: httpx.Client, url: str, lm: CharLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request waits for a place for a while. It gets 429, or its text when one is free."""
    monkeypatch.setattr(server, "WAIT", 0.2)
    long = {"prompt": "the", "max_tokens": server.LENGTH, "stream": True}
    short = {"prompt": "the", "max_tokens": 9, "seed": 3, "temperature": 0.8}

    async def main() -> tuple[httpx.Response, httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as clients:
            async with contextlib.AsyncExitStack() as streams:
                for _ in range(server.STREAMS):
                    await streams.enter_async_context(
                        clients.stream("POST", "/v1/completions", json=long)
                    )
                refused = await clients.post("/v1/completions", json=short)
                server.WAIT = 30
                waiting = asyncio.create_task(clients.post("/v1/completions", json=short))
                await asyncio.sleep(0.05)
            return refused, await waiting

    refused, answered = asyncio.run(main())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "0.2")
    assert "open streams, its limit" in refused.json()["error"]["message"]
    text = answered.json()["choices"][0]["text"]
    assert text == lm.generate("the", length=9, seed=3)
    wait_until_idle(client)


def test_classify(client: httpx.Client) -> None:
    names = ["Rossi", "Nakamura", "Kowalski"]
    answer = client.post("/v1/classify", json={"input": names, "top": 2}).json()
    found = Classifier.load(CLASSIFIER).classify(names, top=2)
    assert [each["label"] for each in answer["data"]] == [each.label for each in found]
    assert answer["data"][0]["top"] == [list(pair) for pair in found[0].top]


@pytest.mark.parametrize(
    ("path", "request_", "says"),
    [
        ("completions", {"prompt": "漢"}, "not in the model's vocabulary"),
        ("completions", {"prompt": "a", "top_p": 2.0}, "top_p"),
        ("completions", {"prompt": "a", "temperature": "hot"}, "temperature"),
        ("completions", {"prompt": "a", "max_tokens": server.LENGTH + 1}, "max_tokens"),
        ("completions", {"prompt": "a", "seed": -1}, "seed"),
        ("completions", {"prompt": "a", "stop": ""}, "stop text is empty"),
        ("completions", {"prompt": [1, 2]}, "prompt"),
        ("completions", {"prompt": "a", "logit_bias": {"1": 5}}, "logit_bias"),
        ("completions", [], "Completion"),
        ("classify", {"input": []}, "input"),
        ("classify", {"input": ["a"] * (server.TEXTS + 1)}, "input"),
        ("classify", {"input": [""]}, "empty"),
    ],
)
def test_bad_request_is_refused(client: httpx.Client, path: str, request_: Any, says: str) -> None:
    response = client.post(f"/v1/{path}", json=request_)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]
    assert client.get("/health").json() == {"status": "ok", "texts": 0}


def test_limits(client: httpx.Client) -> None:
    large = {"prompt": "a" * server.BODY}
    assert client.post("/v1/completions", json=large).status_code == 413
    assert client.post("/v1/completions", content=b"{").status_code == 400
    assert client.get("/v1/completions").status_code == 405


def test_clients_of_openai(url: str, lm: CharLM) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        options = {"model": "charlm", "prompt": "the", "max_tokens": 64, "temperature": 0.8}
        text = lm.generate("the", length=64, seed=5)
        assert client.completions.create(**options, seed=5).choices[0].text == text
        pieces = client.completions.create(**options, seed=5, stream=True)
        assert "".join(each.choices[0].text for each in pieces) == text
        with pytest.raises(openai.BadRequestError, match="logit_bias"):
            client.completions.create(**options, logit_bias={"1": 1})


def test_server_ends_its_texts_before_it_stops(lm: CharLM) -> None:
    """SIGTERM: no new connections, but the text that has begun comes whole."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "examples/server.py", str(LM), str(CLASSIFIER), str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "running on" not in process.stderr.readline():
            assert process.poll() is None
        request = {"prompt": "the", "max_tokens": 9000, "seed": 3, "stream": True}
        url = f"http://127.0.0.1:{port}/v1/completions"
        with httpx.stream("POST", url, json=request, timeout=30) as response:
            lines = response.iter_lines()
            text = json.loads(next(lines).removeprefix("data: "))["choices"][0]["text"]
            process.send_signal(signal.SIGTERM)
            found = [json.loads(line[6:]) for line in lines if line and "DONE" not in line]
        text += "".join(each["choices"][0]["text"] for each in found)
        assert text == lm.generate("the", length=9000, seed=3, temperature=1.0)
        assert "Finished server process" in process.stderr.read()
    assert process.returncode in (0, -signal.SIGTERM)
