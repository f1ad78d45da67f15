"""An HTTP server for a character model and a classifier, with the protocol of OpenAI's API.

    pip install "rnn-infer[cpu]" starlette pydantic uvicorn
    python examples/server.py exported/charlm.onnx exported/classifier.onnx 8000

All completions share the batches of one pool. A token is a character. If a client goes away, its
text ends. There are no passwords and no TLS here: put a proxy in front.
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

from rnn_infer import CharLM, Classifier, RnnInferError

CLIENTS, LENGTH, TEXTS, BODY = 256, 10_000, 1_000, 1_000_000
"""Limits: connections; characters of a text; texts of a request; bytes of a request."""


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

    async def answer(self, pieces: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """Draw a text, as server-sent events or as one JSON object."""
        parts: list[str] = []
        about: dict[str, Any] = {"object": "text_completion", "model": self.model}
        about |= {"id": f"cmpl-{secrets.token_hex(12)}", "created": int(time.time())}

        def choice(text: str, reason: str | None) -> dict[str, Any]:
            return about | {"choices": [{"index": 0, "text": text, "finish_reason": reason}]}

        async with contextlib.aclosing(pieces):
            async for piece in pieces:
                parts.append(piece)
                if self.stream:
                    yield f"data: {json.dumps(choice(piece, None))}\n\n"
        text = "".join(parts)
        reason = "length" if len(text) == self.max_tokens else "stop"
        end = json.dumps(choice("" if self.stream else text, reason))
        yield f"data: {end}\n\ndata: [DONE]\n\n" if self.stream else end


class Classification(BaseModel, extra="forbid", strict=True):
    input: Annotated[list[str], Field(min_length=1, max_length=TEXTS)]
    top: Annotated[int, Field(ge=1)] = 1


async def body(request: Request) -> bytes:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > BODY:
            raise HTTPException(413, f"the request has more than {BODY} bytes; send less")
    return content


async def complete(request: Request) -> Response:
    given, state = Completion.model_validate_json(await body(request)), request.app.state
    options = given.model_dump(include={"seed", "temperature", "top_p", "top_k", "stop"})
    pieces = state.pool.astream(given.prompt, length=given.max_tokens, **options)
    kind = "text/event-stream" if given.stream else "application/json"
    return StreamingResponse(given.answer(pieces), media_type=kind)


async def classify(request: Request) -> Response:
    given, one = Classification.model_validate_json(await body(request)), request.app.state.classify
    found = await asyncio.gather(*(one(text, top=given.top) for text in given.input))
    return JSONResponse({"data": [{"label": each.label, "top": each.top} for each in found]})


async def health(request: Request) -> Response:
    return JSONResponse({"status": "ok", "texts": len(request.app.state.pool)})


async def refuse(_: Request, error: Exception) -> Response:
    message = getattr(error, "detail", str(error))
    return JSONResponse({"error": {"message": message}}, getattr(error, "status_code", 400))


def application(lm: CharLM, classifier: Classifier) -> Starlette:
    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        app.state.classify = classifier.aclassify
        with lm.pool() as app.state.pool:
            yield

    routes = [Route("/health", health), Route("/v1/completions", complete, methods=["POST"])]
    routes.append(Route("/v1/classify", classify, methods=["POST"]))
    errors = dict.fromkeys((HTTPException, RnnInferError, ValidationError), refuse)
    return Starlette(routes=routes, exception_handlers=errors, lifespan=life)


if __name__ == "__main__":
    charlm, labels, port = sys.argv[1:]
    # After SIGTERM or Ctrl-C, texts that have begun have half a minute to end.
    limits: dict[str, Any] = {"limit_concurrency": CLIENTS, "timeout_graceful_shutdown": 30}
    uvicorn.run(application(CharLM.load(charlm), Classifier.load(labels)), port=int(port), **limits)
