"""Progress bars, on a terminal and in a log."""

import io
import sys

import pytest

from rnn_train.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "least", "most"), [(Terminal(), 5, 60), (io.StringIO(), 2, 3)])
def test_log_gets_few_lines(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, least: int, most: int
) -> None:
    clock = iter(range(10**6))
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar(50, "training") as bar:
        bar._time = lambda: next(clock)
        bar.last_print_t = bar.start_t = 0
        for _ in range(50):
            bar.update(1)
    shown = stream.getvalue()
    assert least <= shown.count("training:") <= most
    assert "100%" in shown


def test_program_without_a_console(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    with progress_bar(5, "training") as bar:
        bar.set_description("measuring")
        bar.update(1)
