"""Choices made where nobody made one."""

from dataclasses import replace

import pytest

from rnn_train import recipes
from rnn_train.models import CharLSTM, parameter_count

SMALL, LARGE = 20_000, 1_000_000


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_more_text_gets_more_time(device: str) -> None:
    assert recipes.charlm_minutes(SMALL, device) < recipes.charlm_minutes(LARGE, device)


def test_gpu_needs_less_time() -> None:
    assert recipes.charlm_minutes(LARGE, "cuda") < recipes.charlm_minutes(LARGE, "cpu")


def size(characters: int, minutes: float | None, device: str) -> int:
    epochs = 1.0 if minutes is None else None
    model = recipes.charlm_model(65, characters, device, minutes=minutes, epochs=epochs)
    return parameter_count(CharLSTM(model))


def test_model_grows_with_text_time_and_device() -> None:
    sizes = [
        size(SMALL, 2.0, "cpu"),
        size(LARGE, 2.0, "cpu"),
        size(LARGE, 60.0, "cpu"),
    ]
    assert sizes == sorted(set(sizes))
    assert size(LARGE, 0.5, "cpu") < size(LARGE, 2.0, "cpu")
    assert size(LARGE, 2.0, "cuda") == size(LARGE, None, "cpu") == sizes[-1]


def dropout(epochs: float) -> tuple[float, float, float]:
    model = recipes.charlm_model(65, LARGE, "cpu", epochs=epochs)
    return model.dropout_input, model.dropout_layer, model.dropout_output


def test_text_seen_often_is_dropped_out_more() -> None:
    few, some, many, more = map(dropout, (2, 8, 16, 100))
    assert few == pytest.approx((0, 0, 0.1))
    assert all(a < b < c for a, b, c in zip(few, some, many, strict=True))
    assert many == more


def test_pupils_need_no_dropout() -> None:
    pupil = recipes.charlm_model(65, LARGE, "cpu", epochs=16, taught=True)
    assert (pupil.dropout_input, pupil.dropout_layer, pupil.dropout_output) == dropout(2)


def test_minutes_make_passes_of_a_text() -> None:
    small, large = (recipes.charlm_model(65, each, "cpu", minutes=2.0) for each in (SMALL, LARGE))
    assert small.dropout_input > large.dropout_input
    assert small.dropout_output > large.dropout_output
    slow, fast = (recipes.charlm_model(65, LARGE, each, minutes=30.0) for each in ("cpu", "cuda"))
    assert slow.dropout_layer < fast.dropout_layer


@pytest.mark.parametrize("characters", [SMALL, LARGE])
@pytest.mark.parametrize(("minutes", "device"), [(2.0, "cpu"), (60.0, "cpu"), (2.0, "cuda")])
def test_trained_weights_are_moved_less(characters: int, minutes: float, device: str) -> None:
    new, tuned = (
        recipes.charlm_training(characters, minutes, device, 3, tuned=each)
        for each in (False, True)
    )
    assert tuned == replace(new, learning_rate=tuned.learning_rate)
    assert tuned.learning_rate == pytest.approx(new.learning_rate * recipes.FINE_TUNING)
    assert 0 < recipes.FINE_TUNING < 1
    assert new.seed == 3
    assert recipes.classifier_training(1000, 5).seed == 5


def test_wide_layers_take_smaller_steps() -> None:
    short, long = (recipes.charlm_training(LARGE, each, "cpu", 0) for each in (2.0, 60.0))
    assert long.learning_rate * long.muon < short.learning_rate * short.muon
    assert recipes.charlm_training(LARGE, None, "cpu", 0) == long
    assert recipes.charlm_training(LARGE, 2.0, "cuda", 0) == long
