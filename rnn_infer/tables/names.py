"""Names of columns that tell what a column holds."""

import re

TEXT_NAMES = (
    *("text", "texts", "sentence", "review", "message", "comment", "tweet", "content", "body"),
    *("utterance", "question", "query", "document", "headline", "description", "post", "snippet"),
    *("phrase", "surname", "name", "names", "title", "word"),
)
"""Names of a text column, in any letter case. The first that a header has is taken."""
LABEL_NAMES = (
    *("label", "labels", "class", "category", "sentiment", "target", "intent", "emotion", "topic"),
    *("polarity", "language", "lang", "tag", "rating", "stars", "genre", "outcome"),
)
"""Names of a label column, in any letter case. The first that a header has is taken."""
_OTHER_NAMES = {
    *(
        "id",
        "ids",
        "index",
        "idx",
        "key",
        "uuid",
        "no",
        "nr",
        "number",
        "date",
        "time",
        "timestamp",
    ),
    *("user", "author", "source", "url", "link", "city", "country", "split", "score", "lines"),
    *("type", "year", "age", "gender", "count", "length", "email", "version", "timestamp"),
}
_PARTS = re.compile(r"[^\W_]+")


def normal(name: str) -> str:
    """Return a column's name without letter case, punctuation and spaces around it."""
    return " ".join(_PARTS.findall(name.casefold()))


def find_name(header: list[str], known: tuple[str, ...]) -> int | None:
    """Return the position of the column with the first known name, or None.

    A name of two or three words counts by its last one: `Review Text`, `airline_sentiment`.
    """
    names = [normal(each) for each in header]
    for name in known:
        if name in names:
            return names.index(name)
    last = [name.split()[-1] if 1 < len(name.split()) <= 3 else "" for name in names]
    return next((last.index(name) for name in known if name in last), None)


def name_weight(cell: str) -> int:
    """Return how strongly a cell looks like a known name: 3 text or label, 1 another, 0 none.

    A name of several words can be the start of a text, so it counts 1 at most.
    """
    name = normal(cell)
    last = name.split()[-1] if 1 < len(name.split()) <= 3 else name
    if last in TEXT_NAMES or last in LABEL_NAMES:
        return 3 if name == last else 1
    return 1 if last in _OTHER_NAMES else 0
