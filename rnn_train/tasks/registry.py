"""The kinds of task, by the name of the command."""

from rnn_train.tasks.charlm.task import CharLMTask
from rnn_train.tasks.classifier.task import ClassifierTask

TASKS: dict[str, type[CharLMTask] | type[ClassifierTask]] = {
    "charlm": CharLMTask,
    "classifier": ClassifierTask,
}
