"""Defaults of the classifier."""

import pytest

from rnn_train.tasks.classifier import recipe


def test_more_rows_get_larger_batches_and_fewer_epochs() -> None:
    sizes = (100, 2_000, 10_000, 100_000)
    configs = [recipe.classifier_training(rows, seed=5) for rows in sizes]
    batches = [config.batch for config in configs]
    assert batches == sorted(batches)
    assert (batches[0], batches[-1]) == (16, 256)
    assert all(config.seed == 5 for config in configs)
    epochs = [recipe.classifier_epochs(rows) for rows in (*sizes, 10_000_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[0], epochs[-1]) == (20, 3)


def test_learning_rate_grows_with_the_root_of_the_batch() -> None:
    small, large = (recipe.classifier_training(rows, 0) for rows in (100, 100_000))
    ratio = (large.batch / small.batch) ** 0.5
    assert large.learning_rate == pytest.approx(ratio * small.learning_rate)


@pytest.mark.parametrize(("labels", "evidence"), [(50, 4), (51, 1)])
def test_evidence_is_for_few_labels(labels: int, evidence: int) -> None:
    model = recipe.classifier_model(30, labels)
    assert (model.vocabulary, model.labels, model.evidence) == (30, labels, evidence)


def test_student_is_half_as_wide() -> None:
    teacher = recipe.classifier_model(30, 4)
    student = recipe.student_model(teacher)
    assert (2 * student.hidden, 2 * student.embedding) == (teacher.hidden, teacher.embedding)
    assert 0 < student.dropout < teacher.dropout
    assert (student.cell, student.ngrams) == (teacher.cell, teacher.ngrams)
