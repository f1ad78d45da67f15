"""Defaults of the character model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rnn_train.models.charlm import CharLSTM
from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.charlm import recipe

SMALL, LARGE = 20_000, 1_000_000
"""Characters of a text."""
CPU, GPU = 1.2e11, 8e12
"""Operations a second."""


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_more_text_gets_more_time(device: str) -> None:
    assert recipe.charlm_minutes(SMALL, device) < recipe.charlm_minutes(LARGE, device)


def test_gpu_needs_less_time() -> None:
    assert recipe.charlm_minutes(LARGE, "cuda") < recipe.charlm_minutes(LARGE, "cpu")


def size(characters: int, minutes: float | None, operations: float) -> int:
    epochs = 1.0 if minutes is None else None
    model = recipe.charlm_model(65, characters, operations, minutes=minutes, epochs=epochs)
    return parameter_count(CharLSTM(model))


def test_model_grows_with_text_time_and_device() -> None:
    sizes = [
        size(SMALL, 2.0, CPU),
        size(LARGE, 2.0, CPU),
        size(LARGE, 10.0, CPU),
        size(LARGE, 60.0, CPU),
    ]
    assert sizes == sorted(set(sizes))
    assert size(LARGE, 0.5, CPU) < size(LARGE, 2.0, CPU)
    assert size(LARGE, 2.0, GPU) == size(LARGE, None, CPU) == sizes[-1]


def dropout(epochs: float, distilled: bool = False, characters: int = LARGE) -> list[float]:
    model = recipe.charlm_model(65, characters, CPU, epochs=epochs, distilled=distilled)
    return [model.dropout_input, model.dropout_layer, model.dropout_output, model.weight_drop]


def test_more_epochs_get_more_dropout() -> None:
    rates = [dropout(epochs) for epochs in (2, 8, 16, 32, 64, 1000)]
    assert rates[0] == [0, 0, 0.1, 0]
    assert rates[4][:3] == rates[5][:3]
    for kind in zip(*(each[:3] for each in rates[:5]), strict=True):
        assert list(kind) == sorted(set(kind))
    # Weight drop makes a model worse that does not overfit yet.
    assert [each[3] for each in rates[:3]] == [0, 0, 0]
    assert 0 < rates[3][3] < rates[4][3] == rates[5][3]
    small = [dropout(epochs, characters=SMALL)[3] for epochs in (64, 150, 300, 1000)]
    assert rates[4][3] == small[0] < small[1] < small[2] == small[3] <= 0.5


def test_short_text_is_learnt_by_heart_sooner() -> None:
    large, small = (dropout(30, characters=each) for each in (LARGE, SMALL))
    assert large[0] < small[0]
    assert large[3] < small[3]
    assert dropout(3) == dropout(3, characters=SMALL)


def test_students_need_no_more_dropout() -> None:
    assert dropout(100, distilled=True) == dropout(2)


def test_minutes_are_converted_to_epochs() -> None:
    small, large = (recipe.charlm_model(65, each, CPU, minutes=2.0) for each in (SMALL, LARGE))
    assert small.dropout_input > large.dropout_input
    assert small.dropout_output > large.dropout_output
    slow, fast = (recipe.charlm_model(65, LARGE, each, minutes=30.0) for each in (CPU, GPU))
    assert slow.dropout_layer < fast.dropout_layer


def test_start_and_end_of_a_run_are_not_training() -> None:
    """A very short run makes few passes, so it gets little dropout."""
    short, long = (recipe.charlm_model(65, SMALL, CPU, minutes=each) for each in (0.2, 2.0))
    assert short.weight_drop == 0 < long.weight_drop


@pytest.mark.parametrize("characters", [SMALL, LARGE])
@pytest.mark.parametrize(("minutes", "operations"), [(2.0, CPU), (60.0, CPU), (2.0, GPU)])
def test_warm_start_has_a_lower_learning_rate(
    characters: int, minutes: float, operations: float
) -> None:
    new, tuned = (
        recipe.charlm_training(characters, minutes, operations, 3, fine_tuning=each)
        for each in (False, True)
    )
    assert tuned == replace(new, learning_rate=tuned.learning_rate)
    assert tuned.learning_rate == pytest.approx(new.learning_rate * recipe.FINE_TUNING)
    assert 0 < recipe.FINE_TUNING < 1
    assert new.seed == 3


def test_short_text_trains_embedding_and_head_as_fast_as_a_long_one() -> None:
    small, large = (recipe.charlm_training(each, 2.0, CPU, 0) for each in (SMALL, LARGE))
    assert small.learning_rate == large.learning_rate
    assert small.learning_rate * small.muon < large.learning_rate * large.muon


def test_weight_decay_rises_with_the_passes() -> None:
    """In a run of few minutes."""

    def decay(epochs: float) -> float:
        return recipe.charlm_training(LARGE, 2.0, CPU, 0, epochs=epochs).weight_decay

    rates = [decay(each) for each in (1, 3, 3.7, 4.5, 20)]
    assert rates == sorted(rates)
    assert (rates[0], rates[1], rates[3], rates[4]) == (0.01, 0.01, 0.1, 0.1)
    assert 0.01 < rates[2] < 0.1
    fewer, more = (recipe.charlm_training(each, 2.0, CPU, 0) for each in (10 * LARGE, LARGE // 3))
    assert (fewer.weight_decay, more.weight_decay) == (0.01, 0.1)


def test_wide_layers_take_smaller_steps() -> None:
    short, long = (recipe.charlm_training(LARGE, each, CPU, 0) for each in (2.0, 60.0))
    assert long.learning_rate * long.muon < short.learning_rate * short.muon
    assert recipe.charlm_training(LARGE, None, CPU, 0) == long
    assert recipe.charlm_training(LARGE, 2.0, GPU, 0) == long


def test_fast_machine_gets_a_larger_model_sooner() -> None:
    assert size(LARGE, 1.0, CPU) < size(LARGE, 1.0, 2 * CPU) == size(LARGE, 2.0, CPU)
    for minutes in (5.0, 30.0):
        slow, fast = (size(LARGE, minutes, each) for each in (CPU, 2 * CPU))
        assert slow < fast == size(LARGE, 2 * minutes, CPU)
        before, after = (recipe.charlm_training(LARGE, minutes, f * CPU, 0) for f in (1, 2))
        assert before.learning_rate * before.muon > after.learning_rate * after.muon


def test_wide_models_get_more_dropout() -> None:
    narrow, wide = (
        recipe.charlm_model(65, LARGE, CPU, minutes=minutes, epochs=12) for minutes in (2, 10)
    )
    assert narrow.hidden < wide.hidden
    assert 0.1 < narrow.dropout_output < wide.dropout_output < 0.5


def test_speed_is_guessed_from_cores_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(threads: int, precision: torch.dtype) -> float:
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        monkeypatch.setattr(recipe, "pick_precision", lambda *_, **__: precision)
        return recipe.operations_a_second("cpu")

    assert found(2, torch.float32) == CPU
    assert found(2, torch.bfloat16) == found(4, torch.float32) == 2 * CPU
    assert found(64, torch.float32) == found(8, torch.float32)
    assert recipe.operations_a_second("cuda") == GPU > found(64, torch.bfloat16)
    threads_of_one = found(1, torch.float32)
    assert recipe.operations_a_second("cpu", 2) == 2 * threads_of_one
    assert recipe.operations_a_second("cpu", 64) == 8 * threads_of_one
    assert recipe.operations_a_second("cuda", 2) == GPU


@pytest.mark.parametrize(
    ("lengths", "window", "batch"),
    [([6] * 50, 8, 256), ([5, 12] * 50, 12, 170), ([900] * 9, 64, 32), ([], 64, 32)],
)
def test_window_fits_the_documents(lengths: list[int], window: int, batch: int) -> None:
    plain = replace(recipe.charlm_training(LARGE, 1.0, CPU, 0), window=64, batch=32)
    fitted = recipe.for_documents(plain, np.array(lengths))
    assert (fitted.window, fitted.batch) == (window, batch)
    assert replace(fitted, window=64, batch=32) == plain
