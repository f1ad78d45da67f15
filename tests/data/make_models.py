"""Write the tiny models of the tests. Their weights are random but seeded: the files do not change.

    python tests/data/make_models.py [FOLDER]        # default: this folder

`tests/infer` reads the committed files, so it needs neither torch nor this script.
"""

import math
import string
import sys
from pathlib import Path

import torch
from torch import nn

from rnn_train.exporting.model_file import ModelCard, export
from rnn_train.models.charlm import CharLSTM, CharLSTMConfig
from rnn_train.models.classifier import ClassifierConfig, RecurrentClassifier

NAMES = ("charlm", "charlm.step", "charlm.one", "charlm.three", "wide", "classifier", "gru")
LATIN = ("\n", " ", *"!',.?", *string.ascii_lowercase, *"ABCDEFG", "é")
UNKNOWN = "\ufffd"
CJK = tuple(chr(0x4E00 + 7 * i) for i in range(170))
EMOJI = tuple(chr(0x1F600 + i) for i in range(33))
WIDE = (UNKNOWN, "\n", *string.printable[:95], *CJK, *EMOJI)
BEGIN, END = "\x02", "\x03"
NAME_LETTERS = (UNKNOWN, BEGIN, END, " ", "'", "-", *string.ascii_letters, *"éüñç")
LABELS = ("Danish", "French", "German", "Greek", "Polish")
SHARES = (0.1, 0.4, 0.25, 0.05, 0.2)


def write_models(folder: Path) -> list[Path]:
    """Write a file for each of NAMES into `folder`, and return their paths."""
    paths = [folder / f"{name}.onnx" for name in NAMES]
    charlm, step, one, three, wide, classifier, gru = paths

    latin = _char_lstm(len(LATIN), layers=2, hidden=12, embedding=8, spread=1.5)
    export(latin, ModelCard(vocabulary=LATIN, unknown=None), charlm)
    export(latin, ModelCard(vocabulary=LATIN, unknown=None), step, step_only=True)
    export(latin, ModelCard(vocabulary=LATIN, unknown=None), one, steps=1)
    export(latin, ModelCard(vocabulary=LATIN, unknown=None), three, steps=3)
    unicode = _char_lstm(len(WIDE), layers=1, hidden=8, embedding=8, spread=2.0)
    export(unicode, ModelCard(vocabulary=WIDE, unknown=0), wide)

    card = ModelCard(
        vocabulary=NAME_LETTERS,
        unknown=0,
        normalization="NFC",
        labels=LABELS,
        begin=BEGIN,
        end=END,
        log_prior=tuple(round(math.log(share), 6) for share in SHARES),
    )
    export(_classifier("elman", pool=True), card, classifier)
    export(_classifier("gru", pool=False), card, gru)
    return paths


def _char_lstm(
    vocabulary: int, layers: int, hidden: int, embedding: int, spread: float
) -> CharLSTM:
    torch.manual_seed(7)
    config = CharLSTMConfig(
        vocabulary=vocabulary, layers=layers, hidden=hidden, embedding=embedding
    )
    model = CharLSTM(config)
    with torch.no_grad():
        model.embedding.weight.mul_(2)
    _spread(model, model.head, spread)
    return model


def _classifier(cell: str, pool: bool) -> RecurrentClassifier:
    torch.manual_seed(7)
    config = ClassifierConfig(
        vocabulary=len(NAME_LETTERS),
        labels=len(LABELS),
        cell=cell,
        embedding=8,
        hidden=16,
        pool=pool,
    )
    model = RecurrentClassifier(config)
    _spread(model, model.readout, 1.0)
    return model


def _spread(model: CharLSTM | RecurrentClassifier, head: nn.Module, deviation: float) -> None:
    """Scale the last layer, so that the logits have this standard deviation.

    Then no token is certain, and not all are equally likely.
    """
    assert isinstance(head, nn.Linear)
    tokens = torch.arange(model.config.vocabulary)[None]
    with torch.no_grad():
        logits, _ = model.eval()(tokens, model.zeros(1))
        head.weight.mul_(deviation / logits.std())
        head.bias.mul_(deviation / logits.std())


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    target.mkdir(parents=True, exist_ok=True)
    for path in write_models(target):
        print(f"{path}  {path.stat().st_size:,} bytes")
