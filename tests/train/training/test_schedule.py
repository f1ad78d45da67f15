"""Schedule: the length of a run and its learning rate."""

from dataclasses import replace

import pytest

from rnn_train.training.schedule import Schedule

STEPS = Schedule(0.5, steps=200, minutes=None, warmup=0.1)
MINUTES = Schedule(0.5, steps=None, minutes=2.0, warmup=0.1)


def test_progress_by_steps() -> None:
    assert [STEPS.progress(step, 1e9, 5.0) for step in (0, 50, 200)] == [0, 0.25, 1]


def test_progress_by_minutes() -> None:
    assert [MINUTES.progress(10**9, seconds) for seconds in (0, 30, 120)] == [0, 0.25, 1]


def test_run_of_minutes_ends_before_its_limit() -> None:
    assert MINUTES.progress(1, 110, step_seconds=9) < 1
    assert MINUTES.progress(1, 110, step_seconds=10) >= 1


def test_rate_rises_then_falls_to_zero() -> None:
    rates = [STEPS.rate(step / 1000) for step in range(1001)]
    assert rates[0] > 0
    assert rates[0] <= 0.01 * 0.5
    assert rates[:101] == sorted(rates[:101])
    assert rates[100] == max(rates) == pytest.approx(0.5)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[550] == pytest.approx(0.25)
    assert rates[-1] == pytest.approx(0, abs=1e-12)


def test_rate_past_the_end_is_zero() -> None:
    assert STEPS.rate(1.7) == pytest.approx(0, abs=1e-12)


def test_warm_up_is_linear() -> None:
    assert STEPS.rate(0.05) == pytest.approx(0.25)


def test_budget_of_epochs_or_of_minutes() -> None:
    by_epochs = Schedule.of(0.5, 40, epochs=2.5, minutes=None)
    assert by_epochs == Schedule(0.5, steps=100, minutes=None)
    assert Schedule.of(0.5, 40, epochs=0.001, minutes=None).steps == 1
    assert Schedule.of(0.5, 40, epochs=None, minutes=3.0) == Schedule(0.5, None, 3.0)


def test_warm_restart() -> None:
    """Each part rises and falls to zero; the second one to a share of the first one's height."""
    once, twice = STEPS, replace(STEPS, restart=0.25, restart_rate=0.4)
    for share in (0.0, 0.05, 0.1, 0.6, 0.999):
        assert twice.rate(0.25 * share) == pytest.approx(once.rate(share))
        assert twice.rate(0.25 + 0.75 * share) == pytest.approx(0.4 * once.rate(share))
    assert twice.rate(1.2) == pytest.approx(0, abs=1e-12)


def test_held_rate_does_not_fall_before_the_restart() -> None:
    falling = replace(STEPS, restart=0.25, restart_rate=0.4)
    held = replace(falling, held=True)
    for progress in (0.0, 0.01, 0.3, 0.6, 1.2):  # the rise, and all after the restart
        assert held.rate(progress) == falling.rate(progress)
    assert {held.rate(progress) for progress in (0.05, 0.1, 0.2499)} == {STEPS.peak_rate}
