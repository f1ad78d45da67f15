"""Defaults of the classifier."""

import math

import pytest

from rnn_train.models.classifier import RecurrentClassifier
from rnn_train.models.parameters import parameter_count
from rnn_train.tasks.classifier import recipe


def test_more_rows_get_larger_batches_and_fewer_epochs() -> None:
    sizes = (100, 2_000, 10_000, 50_000, 1_000_000)
    configs = [recipe.classifier_training(rows, seed=5) for rows in sizes]
    batches = [config.batch for config in configs]
    assert batches == sorted(batches)
    assert (batches[0], batches[-1]) == (16, 512)
    assert all(config.seed == 5 for config in configs)
    epochs = [recipe.classifier_epochs(rows) for rows in (*sizes, 10_000_000)]
    assert epochs == sorted(epochs, reverse=True)
    assert (epochs[0], epochs[-1]) == (20, 3)


def test_learning_rate_grows_with_the_root_of_the_batch() -> None:
    small, large = (recipe.classifier_training(rows, 0) for rows in (100, 50_000))
    ratio = (large.batch / small.batch) ** 0.5
    assert large.learning_rate == pytest.approx(ratio * small.learning_rate)


@pytest.mark.parametrize(("labels", "evidence"), [(50, 4), (51, 1)])
def test_evidence_is_for_few_labels(labels: int, evidence: int) -> None:
    model = recipe.classifier_model(30, labels, 1000)
    assert (model.vocabulary, model.labels, model.evidence) == (30, labels, evidence)


def test_student_is_half_as_wide() -> None:
    teacher = recipe.classifier_model(30, 4, 1000)
    student = recipe.student_model(teacher)
    assert (2 * student.hidden, 2 * student.embedding) == (teacher.hidden, teacher.embedding)
    assert 0 < student.dropout < teacher.dropout
    assert (student.cell, student.ngrams) == (teacher.cell, teacher.ngrams)


def test_student_of_synthetic_texts_needs_no_dropout() -> None:
    teacher = recipe.classifier_model(30, 4, 1000)
    assert recipe.student_model(teacher, synthetic=1000).dropout == 0
    training = recipe.classifier_training(10_000, seed=3)
    student = recipe.student_training(training)
    assert student.batch == 2 * training.batch
    assert student.learning_rate > 2**0.5 * training.learning_rate
    assert student.seed == 3
    assert recipe.student_epochs(1000) > recipe.student_epochs(0)


def test_small_tables_of_short_texts_get_synthetic_texts() -> None:
    count = recipe.synthetic_count
    assert count(1_000, 5, 8.0) < count(10_000, 5, 8.0) <= 250_000
    assert count(recipe.MANY_ROWS, 5, 8.0) == 250_000
    assert count(recipe.MANY_ROWS + 1, 5, 8.0) == 0
    assert count(1_000, 61, 8.0) == 0
    assert count(1_000, 5, 61.0) == 0
    assert 0 < count(10_000, 5, 8.0, minutes=0.5) < count(10_000, 5, 8.0, minutes=30.0)
    assert count(10_000, 5, 8.0, minutes=30.0) == count(10_000, 5, 8.0)


@pytest.mark.parametrize("labels", [2, 200])
def test_many_rows_get_vectors_that_pass_the_recurrent_layer_by(labels: int) -> None:
    few, many = (
        recipe.classifier_model(100, labels, rows)
        for rows in (recipe.MANY_ROWS - 1, recipe.MANY_ROWS)
    )
    assert not few.bag
    assert many.bag
    assert many.evidence == 1
    assert many.ngrams > few.ngrams
    assert min(many.prefix, many.frequent_ngrams) > 0
    assert (few.prefix, few.frequent_ngrams) == (0, 0)
    assert parameter_count(RecurrentClassifier(many)) < 4_000_000
    assert many.ngram_width > few.ngram_width


def test_more_ngrams_are_dropped_of_rows_that_are_read_often() -> None:
    """Fewer rows are learnt by heart, if the minutes allow to read them often."""
    shares = [
        recipe.classifier_model(100, 176, recipe.MANY_ROWS, read).ngram_dropout
        for read in (0.1, 4.0, 8.0, 16.0, 60.0, math.inf)
    ]
    assert shares[0] == shares[1]
    assert shares[1:] == pytest.approx([shares[0] + more for more in (0.0, 0.1, 0.15, 0.15, 0.15)])


def test_long_rows_are_read_less_often() -> None:
    names, reviews = (recipe.readings(length * 1_000_000, 2.0) for length in (15, 500))
    assert names > 3 > 1 > reviews > 0
    assert recipe.readings(15_000_000, 4.0) == 2 * names


def test_few_characters_are_unknown_where_ngrams_are_dropped() -> None:
    few, many = (recipe.classifier_model(100, 176, rows) for rows in (1_000, 1_000_000))
    assert recipe.character_dropout(few) == recipe.CHARACTER_DROPOUT
    assert 0 < recipe.character_dropout(many) < recipe.CHARACTER_DROPOUT


def test_a_file_of_many_rows_and_labels_has_four_million_parameters_at_most() -> None:
    model = RecurrentClassifier(recipe.classifier_model(300, 176, 1_000_000))
    assert parameter_count(model) <= 4_000_000


def test_long_rows_and_few_minutes_train_the_ngrams_alone_for_longer() -> None:
    """The whole network would read too few of the rows."""
    rows = 120_000
    model = recipe.classifier_model(60, 2, rows)
    names, reviews = 10 * rows, 450 * rows
    shares = [
        recipe.ngrams_alone(model, rows, characters, minutes)
        for characters, minutes in ((names, 2), (reviews, 2), (reviews, 60), (reviews, None))
    ]
    usual = recipe.NGRAMS_ALONE
    assert shares == [usual, 0.95, usual, usual]
    assert usual < 0.95


def test_ideographs_are_read_by_the_whole_network_from_the_start() -> None:
    rows = 120_000
    model = recipe.classifier_model(3_000, 2, rows)
    shares = [recipe.ngrams_alone(model, rows, 5 * rows, perplexity=each) for each in (30, 700)]
    assert shares == [recipe.NGRAMS_ALONE, 0.0]


def test_the_rate_falls_if_rows_are_read_often() -> None:
    many = recipe.MANY_ROWS
    seldom, often = (recipe.classifier_training(many, 0, read=read) for read in (5.0, 50.0))
    assert (seldom.held, often.held) == (True, False)
    assert seldom.average_every > often.average_every == 1
    assert not recipe.classifier_training(many - 1, 0, read=5.0).held
