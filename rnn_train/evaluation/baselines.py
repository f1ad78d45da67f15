"""Linear n-gram models of the same rows: what a network must beat to earn its keep."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.alphabet import BEGIN, END, Alphabet, label_indices
from rnn_train.data.labelled import Rows, normal

MAX_ROWS = 100_000
"""Rows fitted, drawn from more: a baseline should cost seconds."""
_SHORT = 60
"""Median length up to which texts are told by their letters, and above by their words."""


class NGramModel:
    """A linear model of n-gram counts."""

    def __init__(self, name: str, vectorizer: Any, model: Any, alphabet: Alphabet) -> None:
        """`vectorizer` and `model`: scikit-learn's, not fitted."""
        self.name = name
        self._vectorizer = vectorizer
        self._model = model
        self._alphabet = alphabet

    def fit(self, rows: Rows) -> None:
        """Learns `rows`, whatever it knew before."""
        features = self._vectorizer.fit_transform(_marked(rows.texts))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not fully converged serves as well
            self._model.fit(features, label_indices(rows, self._alphabet))

    def scores(self, texts: Sequence[str]) -> Tensor:
        """[texts, labels]: the largest is the answer, and minus infinity that of unseen labels.

        Logits of a kind: they need a temperature to give probabilities.
        """
        features = self._vectorizer.transform(_marked(texts))
        score = getattr(self._model, "predict_log_proba", None) or self._model.decision_function
        known: NDArray[np.float64] = score(features)
        if known.ndim == 1:  # scikit-learn gives one column for two labels
            known = np.stack([-known, known], 1)
        scores = np.full((len(texts), len(self._alphabet.labels)), -np.inf, np.float32)
        scores[:, self._model.classes_] = known
        return torch.from_numpy(scores)


def fit_baselines(rows: Rows, alphabet: Alphabet, seed: int) -> list[NGramModel]:
    """Naive Bayes on counts and a linear SVM on tf-idf (Wang & Manning, 2012), fitted to `rows`."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.svm import LinearSVC

    if len(rows) > MAX_ROWS:
        chosen = np.random.default_rng(seed).choice(len(rows), MAX_ROWS, replace=False)
        rows = rows.take(sorted(chosen.tolist()))
    short = float(np.median([len(text) for text in rows.texts])) <= _SHORT
    unit = "letter" if short else "word"
    few, many = ((1, 3), (1, 4)) if short else ((1, 1), (1, 2))
    common = {"analyzer": "char" if short else "word", "lowercase": False}
    bayes = NGramModel(
        f"naive Bayes, {unit} {few[0]}–{few[1]}-grams",
        CountVectorizer(ngram_range=few, **common),
        MultinomialNB(alpha=0.1),
        alphabet,
    )
    svm = NGramModel(
        f"linear SVM, {unit} {many[0]}–{many[1]}-grams",
        TfidfVectorizer(ngram_range=many, sublinear_tf=True, **common),
        LinearSVC(random_state=seed % 2**32),
        alphabet,
    )
    for model in (bayes, svm):
        model.fit(rows)
    return [bayes, svm]


def _marked(texts: Sequence[str]) -> list[str]:
    return [BEGIN + normal(text) + END for text in texts]
