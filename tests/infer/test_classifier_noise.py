"""Labels that do not follow from the text: a part of a file's probabilities."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnn_infer import Classifier, ModelFileError

Documented = Callable[..., Path]
NAMES = ["Rossi", "Meyer", "O'Neill", "Nakamura", "x", "Kowalczyk"]


def with_noise(*noise: float) -> Callable[[dict[str, Any]], None]:
    """Give the first labels these probabilities, and the others none."""

    def edit(document: dict[str, Any]) -> None:
        document["format_version"] = 2
        others = len(document["classifier"]["labels"]) - len(noise)
        document["classifier"]["noise"] = [*noise, *([0.0] * others)]

    return edit


def everything(classifier: Classifier, **options: Any) -> list[dict[str, float]]:
    found = classifier.classify(NAMES, top=len(classifier.labels), **options)
    return [dict(each.top) for each in found]


@pytest.fixture
def noisy(documented: Documented) -> Classifier:
    return Classifier.load(documented(with_noise(0.1, 0.05), of="gru"), device="cpu")


def test_probabilities(noisy: Classifier, documented: Documented) -> None:
    plain = Classifier.load(documented(lambda _: None, of="gru"), device="cpu")
    noise = dict(zip(plain.labels, [0.1, 0.05, *([0.0] * len(plain.labels))], strict=False))
    for before, after in zip(everything(plain), everything(noisy), strict=True):
        for label, share in before.items():
            assert after[label] == pytest.approx(0.85 * share + noise[label], abs=1e-6)


def test_prior_divides_the_probabilities(noisy: Classifier) -> None:
    log_prior = noisy.metadata.classifier.log_prior  # type: ignore[union-attr]
    weights = dict(zip(noisy.labels, np.exp(-0.5 * np.array(log_prior)), strict=True))
    for before, after in zip(everything(noisy), everything(noisy, prior=0.5), strict=True):
        total = sum(share * weights[label] for label, share in before.items())
        for label, share in before.items():
            assert after[label] == pytest.approx(share * weights[label] / total, abs=1e-5)


def test_columns_and_trace_have_it_too(noisy: Classifier) -> None:
    labels, probabilities = noisy.classify_columns(NAMES)
    for name, label, probability in zip(NAMES, labels, probabilities, strict=True):
        assert (label[0], probability[0]) == noisy.classify(name).top[0]
        last = noisy.trace(name)[-1]
        assert last.labels == noisy.classify(name).labels
        assert last.probability == pytest.approx(probability[0], abs=1e-6)


@pytest.mark.parametrize("noise", [(0.5, 0.5), (1.1,), (0.2, -0.1)])
def test_file_with_bad_noise(documented: Documented, noise: tuple[float, ...]) -> None:
    with pytest.raises(ModelFileError, match="noise is no part of a distribution"):
        Classifier.load(documented(with_noise(*noise), of="gru"), device="cpu")


def test_file_with_noise_of_some_labels(documented: Documented) -> None:
    def edit(document: dict[str, Any]) -> None:
        with_noise(0.1)(document)
        document["classifier"]["noise"].pop()

    with pytest.raises(ModelFileError, match="noise needs one probability per label"):
        Classifier.load(documented(edit, of="gru"), device="cpu")
