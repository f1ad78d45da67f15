"""An HTTP server for a character model and a classifier, with the protocol of OpenAI's API.

    pip install "rnn-infer[cpu]" starlette pydantic uvicorn
    python examples/server.py exported/charlm.onnx exported/classifier.onnx 8000

All completions share one pool. A token is a character. If a client goes away, its text ends. If the
pool is full, a request waits, then gets 429. No passwords, no TLS: put a proxy in front.
"""

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Any

import uvicorn
from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from rnn_infer import CharLM, Classifier, PoolFullError, RnnInferError

CLIENTS, STREAMS, LENGTH, TEXTS, BODY, WAIT = 256, 64, 10_000, 1_000, 1_000_000, 5
"""Connections, texts drawn at once, characters of one, texts and bytes of a request, seconds."""


class Completion(BaseModel, extra="forbid", strict=True):  # what has no effect is refused
    prompt: str = ""
    max_tokens: Annotated[int, Field(ge=0, le=LENGTH)] = 16
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop: str | list[str] = []
    seed: int = Field(default_factory=lambda: secrets.randbits(63))
    stream: bool = False
    model: str = "charlm"

    async def answer(self, piece: str, others: AsyncGenerator[str, None]) -> AsyncIterator[str]:
        """Draw a text after its first piece, as server-sent events or as one JSON object."""
        text = ""
        about: dict[str, Any] = {"object": "text_completion", "model": self.model}
        about |= {"id": f"cmpl-{secrets.token_hex(12)}", "created": int(time.time())}

        def choice(text: str, reason: str | None) -> str:
            choices = [{"index": 0, "text": text, "finish_reason": reason}]
            return json.dumps(about | {"choices": choices})

        async with contextlib.aclosing(others):
            while piece:
                text += piece
                if self.stream:
                    yield f"data: {choice(piece, None)}\n\n"
                piece = await anext(others, "")
        reason = "length" if len(text) == self.max_tokens else "stop"
        end = choice("" if self.stream else text, reason)
        yield f"data: {end}\n\ndata: [DONE]\n\n" if self.stream else end


class Classification(BaseModel, extra="forbid", strict=True):
    input: Annotated[list[str], Field(min_length=1, max_length=TEXTS)]
    top: Annotated[int, Field(ge=1)] = 1


async def body(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        if len(content := content + part) > BODY:
            raise HTTPException(413, f"the request has more than {BODY} bytes; send less")
    return content


async def complete(request: Request) -> Response:
    given, state = Completion.model_validate_json(await body(request)), request.app.state
    options = given.model_dump(include={"seed", "temperature", "top_p", "top_k", "stop"})
    pieces = state.pool.astream(given.prompt, length=given.max_tokens, timeout=WAIT, **options)
    answer = given.answer(await anext(pieces, ""), pieces)  # if the pool is full, it fails here
    kind = "text/event-stream" if given.stream else "application/json"
    return StreamingResponse(answer, media_type=kind)


async def classify(request: Request) -> Response:
    given, one = Classification.model_validate_json(await body(request)), request.app.state.classify
    found = await asyncio.gather(*(one(text, top=given.top) for text in given.input))
    return JSONResponse({"data": [{"label": each.label, "top": each.top} for each in found]})


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "texts": len(request.app.state.pool)})


async def refuse(_: Request, error: Exception) -> Response:
    content = {"error": {"message": getattr(error, "detail", str(error))}}
    status = 429 if isinstance(error, PoolFullError) else getattr(error, "status_code", 400)
    return JSONResponse(content, status, {"Retry-After": str(WAIT)} if status == 429 else None)


def application(lm: CharLM, classifier: Classifier) -> Starlette:
    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        app.state.classify = classifier.aclassify
        with lm.pool(limit=STREAMS) as app.state.pool:
            yield

    routes = [Route("/health", health), Route("/v1/classify", classify, methods=["POST"])]
    routes.append(Route("/v1/completions", complete, methods=["POST"]))
    errors = dict.fromkeys((HTTPException, RnnInferError, ValidationError), refuse)
    return Starlette(routes=routes, exception_handlers=errors, lifespan=life)


if __name__ == "__main__":
    charlm, labels, port = sys.argv[1:]
    app = application(CharLM.load(charlm), Classifier.load(labels))
    uvicorn.run(app, port=int(port), limit_concurrency=CLIENTS, timeout_graceful_shutdown=30)
