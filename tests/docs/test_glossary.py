"""The glossary has the words that the code and the documentation use."""

import re

import pytest

from tests.docs.code_blocks import ROOT

TEXT = (ROOT / "docs" / "reference" / "glossary.md").read_text("utf-8")
WORDS = re.findall(r"^### (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    "word",
    """Teacher|Student|Soft targets|Distillation|Warm start|Variant|Sampling|Execution provider
    CUDA graph|Held-out|Logits|Truncated BPTT|Weight of evidence|Nats per character|Stateful|Windows
    Ensemble|Fine-tune|Hidden state|Sequence|Batch|Prefix|Snapshot|Schedule|Objective
    Run folder|Recipe|Golden|Tick""".replace("\n", "|").split("|"),
)
def test_word_is_explained(word: str) -> None:
    assert word.strip() in WORDS


def test_words_are_in_order_and_once() -> None:
    assert sorted(set(WORDS), key=str.lower) == WORDS


def test_no_word_is_without_an_explanation() -> None:
    assert re.findall(r"^### .*\n+(?=###|\Z)", TEXT, re.MULTILINE) == []
