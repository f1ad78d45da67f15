"""Linear n-gram models, trained on the same rows as the network: the baselines to beat."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rnn_train.data.alphabet import BEGIN, END, Alphabet, label_indices
from rnn_train.data.encoded_rows import AnyRows, EncodedRows
from rnn_train.data.rows import Rows, normal

MAX_ROWS = 100_000
"""Most rows that a baseline is fitted to, so that it takes seconds. Of more rows, it takes a random
sample."""
_MANY_LABELS = 60
"""With more labels, a linear SVM takes minutes and gigabytes."""
_SHORT = 60
"""Median length of a text in characters. Up to it, n-grams are of letters; above it, of words."""


class NGramModel:
    """A linear classifier of n-gram counts."""

    def __init__(self, name: str, vectorizer: Any, model: Any, alphabet: Alphabet) -> None:
        """Combines a vectorizer and a model.

        Args:
            name: shown to the user.
            vectorizer: of scikit-learn, not fitted: texts to counts.
            model: of scikit-learn, not fitted: counts to labels.
            alphabet: the labels.
        """
        self.name = name
        self._vectorizer = vectorizer
        self._model = model
        self._alphabet = alphabet

    @property
    def title(self) -> str:
        """Name, for a table of models."""
        return self.name

    def fit(self, rows: AnyRows) -> None:
        """Fits the model to `rows`. An earlier fit is forgotten."""
        features = self._vectorizer.fit_transform(_marked(rows.texts))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it need not converge fully
            self._model.fit(features, label_indices(rows, self._alphabet))

    def scores(self, texts: Sequence[str] | AnyRows) -> Tensor:
        """Scores texts.

        Args:
            texts: the texts; labels are not used.

        Returns:
            [texts, labels]. The largest score marks the prediction. A label that was not in the
            fitted rows scores minus infinity. A temperature turns scores into logits.
        """
        texts = texts.texts if isinstance(texts, Rows | EncodedRows) else texts
        features = self._vectorizer.transform(_marked(texts))
        score = getattr(self._model, "predict_log_proba", None) or self._model.decision_function
        known: NDArray[np.float64] = score(features)
        if known.ndim == 1:  # for two labels scikit-learn returns one column
            known = np.stack([-known, known], 1)
        scores = np.full((len(texts), len(self._alphabet.labels)), -np.inf, np.float32)
        scores[:, self._model.classes_] = known
        return torch.from_numpy(scores)

    def predictions(self, texts: Sequence[str] | AnyRows) -> Tensor:
        """Returns the label with the largest score of each text, [texts]."""
        return self.scores(texts).argmax(-1)


def too_large(rows: int, labels: int) -> bool:
    """Whether a table has too many rows or labels for an SVM: a `HashedLinear` takes its place."""
    return rows > MAX_ROWS or labels > _MANY_LABELS


def fit_baselines(rows: AnyRows, alphabet: Alphabet, seed: int) -> list[NGramModel]:
    """Fits naive Bayes on counts and a linear SVM on tf-idf (Wang & Manning, 2012).

    Args:
        rows: training rows. At most `MAX_ROWS` are used.
        alphabet: the labels.
        seed: of the random sample of rows and of the SVM.

    Returns:
        The two fitted models.
    """
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.svm import LinearSVC

    if len(rows) > MAX_ROWS:
        chosen = np.random.default_rng(seed).choice(len(rows), MAX_ROWS, replace=False)
        rows = rows.take(sorted(chosen.tolist()))
    short = float(np.median([len(text) for text in rows.texts])) <= _SHORT
    unit = "letter" if short else "word"
    bayes_n, svm_n = ((1, 3), (1, 4)) if short else ((1, 1), (1, 2))
    common = {"analyzer": "char" if short else "word", "lowercase": False}
    bayes = NGramModel(
        f"naive Bayes, {unit} {bayes_n[0]}–{bayes_n[1]}-grams",
        CountVectorizer(ngram_range=bayes_n, **common),
        MultinomialNB(alpha=0.1),
        alphabet,
    )
    svm = NGramModel(
        f"linear SVM, {unit} {svm_n[0]}–{svm_n[1]}-grams",
        TfidfVectorizer(ngram_range=svm_n, sublinear_tf=True, **common),
        LinearSVC(random_state=seed % 2**32),
        alphabet,
    )
    for model in (bayes, svm):
        model.fit(rows)
    return [bayes, svm]


def _marked(texts: Sequence[str]) -> list[str]:
    return [BEGIN + normal(text) + END for text in texts]
