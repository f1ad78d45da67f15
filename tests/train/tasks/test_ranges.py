"""Values of config fields that would end a run in the middle are refused before it."""

from typing import Any

import pytest

from rnn_train.errors import RunError
from rnn_train.tasks.ranges import check_range


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("hidden", 0, "C.hidden must be from 1 to 8,192, got 0"),
        ("hidden", -1, "from 1 to 8,192"),
        ("batch", 0, "C.batch must be from 1 to 65,536"),
        ("window", 1, "from 2 to 65,536"),
        ("dropout_input", 2.0, "must be from 0 to below 1, got 2.0"),
        ("average", 1.0, "from 0 to below 1"),
        ("weight_decay", float("nan"), "from 0 to 10, got nan"),
        ("learning_rate", 0.0, "above 0 and at most 10, got 0.0"),
        ("learning_rate", float("nan"), "above 0"),
        ("validate_every", -1.0, "must be 0 or more"),
        ("vocabulary", 3, "C.vocabulary follows from the data; leave it out"),
    ],
)
def test_out_of_range(name: str, value: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        check_range("C", name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden", 1), ("dropout", 0.0), ("validate_every", 0.0), ("clip", 3.0), ("cell", "gru")],
)
def test_in_range(name: str, value: Any) -> None:
    check_range("C", name, value)
