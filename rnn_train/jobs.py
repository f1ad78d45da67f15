"""The kinds of run there are."""

from rnn_train.charlm_job import CharLMJob
from rnn_train.classifier_job import ClassifierJob
from rnn_train.job import Job, Request

JOBS: dict[str, type[CharLMJob] | type[ClassifierJob]] = {
    "charlm": CharLMJob,
    "classifier": ClassifierJob,
}
"""By the command that makes one."""

__all__ = ["JOBS", "CharLMJob", "ClassifierJob", "Job", "Request"]
