"""Linear n-gram models fitted on the same rows: what a network must beat to earn its keep."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rnn_train.classifier import BEGIN, END, Alphabet, label_indices
from rnn_train.labelled import Rows, normal

MAX_ROWS = 100_000
"""Rows fitted, drawn from more: a baseline should cost seconds."""
_SHORT = 60
"""Median length up to which texts are told by their letters, and above by their words."""


@dataclass(frozen=True)
class Baseline:
    """One fitted model's answers."""

    name: str
    scores: torch.Tensor
    """[held-out rows, labels]; the largest is the answer. Only naive Bayes gives log
    probabilities."""


def fit_baselines(train: Rows, held_out: Rows, alphabet: Alphabet, seed: int) -> list[Baseline]:
    """Naive Bayes on counts and a linear SVM on tf-idf, both of n-grams (Wang & Manning, 2012).

    Labels of `held_out` all stand in `train`.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.svm import LinearSVC

    if len(train) > MAX_ROWS:
        chosen = np.random.default_rng(seed).choice(len(train), MAX_ROWS, replace=False)
        train = train.take(sorted(chosen.tolist()))
    short = float(np.median([len(text) for text in train.texts])) <= _SHORT
    unit = "letter" if short else "word"
    few, many = ((1, 3), (1, 4)) if short else ((1, 1), (1, 2))
    common = {"analyzer": "char" if short else "word", "lowercase": False}
    models = [
        (
            f"naive Bayes, {unit}s",
            CountVectorizer(ngram_range=few, **common),
            MultinomialNB(alpha=0.1),
        ),
        (
            f"linear SVM, {unit} {many[0]}–{many[1]}-grams",
            TfidfVectorizer(ngram_range=many, sublinear_tf=True, **common),
            LinearSVC(random_state=seed % 2**32),
        ),
    ]
    return [
        Baseline(name, _scores(vectorizer, model, train, held_out, alphabet))
        for name, vectorizer, model in models
    ]


def _scores(
    vectorizer: Any, model: Any, train: Rows, held_out: Rows, alphabet: Alphabet
) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a baseline that has not fully converged serves as well
        model.fit(vectorizer.fit_transform(_marked(train)), label_indices(train, alphabet))
    features = vectorizer.transform(_marked(held_out))
    score = getattr(model, "predict_log_proba", None) or model.decision_function
    known: NDArray[np.float64] = score(features)
    if known.ndim == 1:  # scikit-learn gives one column for two labels
        known = np.stack([-known, known], 1)
    scores = np.full((len(held_out), len(alphabet.labels)), -np.inf, np.float32)
    scores[:, model.classes_] = known
    return torch.from_numpy(scores)


def _marked(rows: Rows) -> list[str]:
    return [BEGIN + normal(text) + END for text in rows.texts]
