"""The kinds of run there are."""

from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.task import ClassifierTask
from rnn_train.tasks.task import Request, Task

TASKS: dict[str, type[CharLMTask] | type[ClassifierTask]] = {
    "charlm": CharLMTask,
    "classifier": ClassifierTask,
}
"""By the command that makes one."""

__all__ = ["TASKS", "CharLMTask", "ClassifierTask", "Request", "Task"]
