"""Threads share a model, and each gets the same results as alone."""

import random
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from rnn_infer import CharLM, Classifier, StreamPool

THREADS = 16
LETTERS = "\n abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(autouse=True)
def _frequent_switches() -> Iterator[None]:
    """Let Python switch between threads a hundred times as often as usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


def mixed(lm: CharLM, pool: StreamPool, seed: int, calls: int) -> list[Any]:
    """Return the results of one thread: calls of every kind, chosen by a seed."""
    chance = random.Random(seed)

    def text(most: int = 20) -> str:
        return "".join(chance.choices(LETTERS, k=chance.randrange(2, most)))

    session = lm.session(seed=seed)
    results: list[Any] = []
    for _ in range(calls):
        number = chance.randrange(2**64 - 9)
        match chance.randrange(10):
            case 0:
                results.append(lm.generate(text(), length=chance.randrange(60), seed=number))
            case 1:
                prompts = [text() for _ in range(chance.randrange(1, 6))]
                results.append(lm.complete(prompts, length=20, seed=number, stop=[text(4), "e"]))
            case 2:
                results.append("".join(lm.stream(text(), length=25, seed=number, chunk=4)))
            case 3:
                results.append(lm.score(text(200)))
            case 4:
                results.append(lm.next(text(), top=4))
            case 5:
                session.feed(text())
            case 6:
                results.append(session.generate(chance.randrange(30), top_k=7))
            case 7:
                results.append(session.fork(seed=chance.choice([None, 5])).generate(10))
            case 8:
                saved = session.save()
                results.append(saved)
                session = lm.session(restore=saved)
            case 9:
                with pool.open(text(), seed=number, top_p=0.9) as stream:
                    drawn = stream.draw(chance.randrange(40))
                    stream.feed(text())
                    results.append(drawn + stream.draw(9))
    return [*results, session.position, session.save()]


def together(work: Callable[[int], Any]) -> list[Any]:
    """Return the results of THREADS threads that start at the same time."""
    start = Barrier(THREADS)

    def one(seed: int) -> Any:
        start.wait()
        return work(seed)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


@pytest.mark.parametrize(("model", "calls"), [("lm", 25), ("step_lm", 6), ("one_lm", 6)])
def test_threads_get_the_same_results_as_one_thread(
    model: str, calls: int, request: pytest.FixtureRequest
) -> None:
    lm: CharLM = request.getfixturevalue(model)
    alone = [mixed(lm, lm.pool(), seed, calls) for seed in range(THREADS)]
    pool = lm.pool()
    assert together(lambda seed: mixed(lm, pool, seed, calls)) == alone
    assert len(pool) == 0
    assert len({each[-1] for each in alone}) == THREADS


def test_threads_share_a_classifier(classifier: Classifier) -> None:
    def work(seed: int) -> list[Any]:
        chance = random.Random(seed)
        names = ["".join(chance.choices(LETTERS[1:], k=chance.randrange(1, 30))) for _ in range(40)]
        return [classifier.classify(names, top=5), *map(classifier.trace, names[:5])]

    assert together(work) == [work(seed) for seed in range(THREADS)]
