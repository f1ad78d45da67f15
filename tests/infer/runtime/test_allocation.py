"""Where the weights of a session lie: huge pages are asked for, and a refusal changes nothing."""

import ctypes
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rnn_infer import CharLM
from rnn_infer.runtime import allocation
from rnn_infer.runtime.allocation import c_library, prefer_huge_pages

HUGE, BLOCK = 2**21, 28 * 2**20

glibc = pytest.mark.skipif(c_library() is None, reason="needs glibc")


class Library:
    """The C library as far as it is used, with a kernel that answers as it is told."""

    def __init__(self, answer: int = 0, room: int = 2**40) -> None:
        self.answer, self.room = answer, room
        self.advised: list[tuple[int, int]] = []
        self.held: dict[int, int] = {}
        self._next = HUGE + 16

    def malloc(self, size: int) -> int | None:
        if size > self.room:
            return None
        place, self._next = self._next, self._next + size + 16
        self.held[place] = size
        return place

    def free(self, place: int | None) -> None:
        if place is not None:
            del self.held[place]

    def madvise(self, begin: int, size: int, advice: int) -> int:
        assert advice == 14
        self.advised.append((begin, size))
        return self.answer


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> Any:
    def replace(library: Library | None) -> Library | None:
        monkeypatch.setattr(allocation, "c_library", lambda: library)
        return library

    return replace


@pytest.mark.parametrize("size", [1, HUGE, 5 * HUGE, 100 * HUGE])
def test_whole_pages_inside_the_blocks_are_advised(replaced: Any, size: int) -> None:
    library = replaced(Library())
    assert prefer_huge_pages(size)
    assert not library.held  # all was given back
    total = sum(size for _, size in library.advised)
    for begin, length in library.advised:
        assert begin % HUGE == length % HUGE == 0
    # The copies of the file, but for what the ends of a block lose, and never above 64 MiB.
    wanted = max(4 * size, 4 * HUGE)
    assert min(wanted, 2 * BLOCK) - 4 * HUGE <= total <= 2 * BLOCK


def test_refusals_are_harmless(replaced: Any) -> None:
    refusing = replaced(Library(answer=-1))
    assert not prefer_huge_pages(HUGE)
    assert refusing.advised
    assert not refusing.held
    replaced(Library(room=0))
    assert not prefer_huge_pages(HUGE)
    replaced(None)
    assert not prefer_huge_pages(HUGE)


def test_another_system_has_no_such_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        assert c_library.__wrapped__() is None
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())  # musl
    assert c_library.__wrapped__() is None


@glibc
def test_the_next_memory_lies_where_it_was_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    library = c_library()
    advised: list[range] = []

    class Watched(Library):
        def malloc(self, size: int) -> int | None:
            place: int | None = library.malloc(size)
            return place

        def free(self, place: int | None) -> None:
            library.free(place)

        def madvise(self, begin: int, size: int, advice: int) -> int:
            advised.append(range(begin, begin + size))
            return int(library.madvise(begin, size, advice))

    monkeypatch.setattr(allocation, "c_library", Watched)
    found: list[bool] = []

    def load() -> None:  # a new thread has a heap that nothing else has used
        prefer_huge_pages(4 * HUGE)
        place = library.malloc(4 * HUGE)
        found.append(place + HUGE in advised[0])
        library.free(place)

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert found == [True]


def test_a_model_gives_the_same_text_without_huge_pages(
    replaced: Any, data: Path, lm: CharLM
) -> None:
    replaced(None)
    other = CharLM.load(data / "charlm.onnx", device="cpu")
    assert other.generate("dead", length=30, seed=3) == lm.generate("dead", length=30, seed=3)
