"""`Classifier.aclassify`: calls of one turn are one batch, and a bad text fails alone."""

import asyncio
import pickle
from typing import Any

import pytest

from rnn_infer import Classifier, OptionError, Prediction
from rnn_infer.runtime.last_logits import last_logits

NAMES = ["Rossi", "O'Neill", "Nakamura", "Ek", "von der Lühe", "X"] * 5


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of texts of each batch."""
    found: list[int] = []

    def watched(stepper: Any, texts: Any) -> Any:
        found.append(len(texts.lengths))
        return last_logits(stepper, texts)

    monkeypatch.setattr("rnn_infer.labelling.last_logits", watched)
    return found


async def together(classifier: Classifier, texts: list[Any], **options: Any) -> list[Any]:
    calls = (classifier.aclassify(text, **options) for text in texts)
    return await asyncio.gather(*calls, return_exceptions=True)


def test_calls_of_one_turn_are_one_batch(classifier: Classifier, sizes: list[int]) -> None:
    expected = classifier.classify(NAMES, top=2, prior=0.5)
    sizes.clear()
    assert asyncio.run(together(classifier, NAMES, top=2, prior=0.5)) == expected
    assert sizes == [len(NAMES)]


def test_options_of_one_call_are_its_own(classifier: Classifier, sizes: list[int]) -> None:
    async def main() -> tuple[Prediction, ...]:
        return await asyncio.gather(
            classifier.aclassify("Rossi", top=1),
            classifier.aclassify("Ng", top=4),
            classifier.aclassify("Ek", top=1),
        )

    assert [len(each.labels) for each in asyncio.run(main())] == [1, 4, 1]
    assert sizes == [2, 1]


@pytest.mark.parametrize("bad", ["", None, 7, "ЖЖ"])
def test_bad_text_fails_alone(classifier: Classifier, bad: Any) -> None:
    found = asyncio.run(together(classifier, ["Rossi", bad, "Ng"], unknown="skip"))
    assert isinstance(found[1], OptionError)
    for each, text in ((found[0], "Rossi"), (found[2], "Ng")):
        assert each == classifier.classify(text)


def test_bad_option_is_refused_at_once(classifier: Classifier) -> None:
    with pytest.raises(OptionError, match="top"):
        asyncio.run(classifier.aclassify("Rossi", top=0))


def test_cancelled_call(classifier: Classifier) -> None:
    async def main() -> Prediction:
        lost = asyncio.ensure_future(classifier.aclassify("Ng"))
        kept = asyncio.ensure_future(classifier.aclassify("Rossi"))
        await asyncio.sleep(0)
        lost.cancel()
        return await kept

    assert asyncio.run(main()) == classifier.classify("Rossi")


def test_classifier_still_pickles(classifier: Classifier) -> None:
    asyncio.run(classifier.aclassify("Rossi"))
    assert pickle.loads(pickle.dumps(classifier)).classify("Ng") == classifier.classify("Ng")
