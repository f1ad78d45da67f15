"""Every code block of the README and the documentation runs, or says why not."""

from pathlib import Path

import pytest

from tests.docs.code_blocks import PAGES, ROOT, blocks
from tests.docs.conftest import PageRunner
from tests.docs.page_runner import cut_down

pytestmark = pytest.mark.xdist_group("pages")  # one worker: the server starts once
LANGUAGES = {"python", "sh", "text", "json"}
NOT_RUN = {
    "it sets up an environment and runs the tests themselves": 3,
    "it runs the tests themselves": 1,
    "it installs packages from the network": 2,
    "it downloads a file": 1,
    "it starts a server": 1,
    "it needs a GPU": 2,
    "it takes minutes": 1,
    "it starts two processes, and trains for minutes": 1,
    "it takes minutes, and needs the network and pyenv": 1,
    "it takes seven and a half hours": 1,
    "the guide to exporting runs it on the classifier": 1,
    "the model is one of yours": 1,
    "the published training rows are not part of this repository": 1,
    "it takes hours, and the text is yours": 1,
    "it takes a quarter of an hour of CPU, and the text is yours": 1,
}
"""Number of blocks that do not run, by their reason. A new one is added here on purpose."""


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if any(b.runs for b in blocks(page))])
def test_blocks_run(page: str, page_runner: PageRunner, tmp_path: Path) -> None:
    code, output = page_runner.run([b for b in blocks(page) if b.runs], tmp_path / "folder")
    assert code == 0, output


@pytest.mark.parametrize(
    ("language", "code"),
    [("sh", "false"), ("sh", "false | true"), ("python", "assert False"), ("python", "exit(3)")],
)
def test_block_that_fails_is_noticed(
    language: str, code: str, page_runner: PageRunner, tmp_path: Path
) -> None:
    (block, *_) = (b for b in blocks("README.md") if b.runs)
    failing = type(block)("page.md", 1, language, code, None)
    assert page_runner.run([failing], tmp_path / "folder")[0] != 0


def test_command_that_fails_is_noticed(page_runner: PageRunner, tmp_path: Path) -> None:
    (block, *_) = (b for b in blocks("README.md") if b.runs)
    failing = type(block)("page.md", 1, "sh", "rnn-infer show --model missing.onnx", None)
    code, output = page_runner.run([failing], tmp_path / "folder")
    assert code != 0
    assert "missing.onnx" in output


def test_every_block_names_a_known_language() -> None:
    found = {(b.page, b.line, b.language) for page in PAGES for b in blocks(page)}
    assert [each for each in found if each[2] not in LANGUAGES] == []


def test_blocks_that_do_not_run_are_listed() -> None:
    reasons: dict[str, int] = {}
    for page in PAGES:
        for block in blocks(page):
            if block.reason is not None:
                reasons[block.reason] = reasons.get(block.reason, 0) + 1
    assert reasons == NOT_RUN


def test_no_mark_stands_without_its_block() -> None:
    marks = sum((ROOT / page).read_text("utf-8").count("<!-- not run:") for page in PAGES)
    assert marks == sum(NOT_RUN.values())


def test_training_commands_are_cut_down() -> None:
    small = "--epochs 1 --threads 1 --hidden 12 --layers 1 --embedding 8"
    for command, short in (
        ("charlm --minutes 10 --data a.txt --hidden 512", f"charlm --data a.txt {small}"),
        ("charlm --resume runs/charlm-1", "charlm --resume runs/charlm-1"),
        ("evaluate mine.onnx", "evaluate mine.onnx"),
    ):
        assert cut_down(command.split()) == short.split()
