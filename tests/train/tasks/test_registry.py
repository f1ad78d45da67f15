"""Each kind of request has a task, under the name of its command."""

from rnn_train.cli.commands import main
from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.registry import TASKS
from rnn_train.tasks.request import CharLMRequest, ClassifierRequest


def test_task_of_each_request() -> None:
    assert TASKS[CharLMRequest.kind] is CharLMTask
    assert TASKS[ClassifierRequest.kind] is ClassifierTask
    assert len(TASKS) == 2


def test_each_task_has_a_command() -> None:
    assert set(TASKS) <= set(main.commands)
