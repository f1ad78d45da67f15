"""Labelled rows of sources, streamed: files, folders and named sets. Memory stays constant."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rnn_infer.errors import TableError
from rnn_infer.tables.lines import Progress
from rnn_infer.tables.options import TableOptions
from rnn_infer.tables.table import Table
from rnn_train.data.datasets import LABELLED_SETS, SURNAMES
from rnn_train.data.label_folder import folder_rows, folder_size
from rnn_train.data.sources import expand
from rnn_train.errors import DataError
from rnn_train.progress import progress_bar
from rnn_train.wording import counted

Pair = tuple[str, str]
"""A text and its label; neither is empty."""
_BAR_BYTES = 20_000_000
"""Larger sources get a progress bar."""


class RowStream:
    """Texts and labels of sources, in order. Each iteration reads the sources again."""

    def __init__(
        self,
        sources: Sequence[str],
        options: TableOptions | None = None,
        known: Collection[str] = (),
    ) -> None:
        """
        Args:
            sources: each is a named set; a file of `rnn_infer.tables`; or a folder, with one
                `<label>.txt` a label and one text a line, or with one folder a label and one text
                a file.
            options: how files are read; None: as they look.
            known: labels of a model. A column of them is the label column.
        """
        self.sources = tuple(sources)
        self._options = options or TableOptions()
        self._known = known
        self.how: list[str] = []
        """How each source was read, in words for the user."""
        self.rows = 0
        """Number of rows that the last iteration has given."""
        self.without_text = 0
        """Number of rows that it has left out because their text is empty."""
        self.without_label = 0
        """Number of rows that it has left out because only their label is empty."""
        self.spilled = 0
        """Number of rows with a cell below no name of the header, which is not read."""

    def __iter__(self) -> Iterator[Pair]:
        """Reads the sources.

        Yields:
            Text and label of each row. Rows without one of them are left out and counted.

        Raises:
            DataError: a source is missing or malformed (the message names file and line), or most
                rows have no label or no text.
        """
        self.how, self.rows, self.without_text, self.without_label = [], 0, 0, 0
        self.spilled = 0
        with _progress(self.sources) as progress:
            for source in self.sources:
                yield from self._complete(source, progress)

    def warnings(self) -> list[str]:
        """Returns lines about rows that were left out, or read in part, if there are any."""
        counts = ((self.without_text, "no text"), (self.without_label, "no label"))
        parts = [
            f"{counted(count, 'row has', 'rows have')} {what}" for count, what in counts if count
        ]
        lines = [" and ".join(parts) + "; they are left out"] if parts else []
        if self.spilled:
            lines.append(
                f"{counted(self.spilled, 'row has', 'rows have')} cells below no name of the "
                "header, which are not read: perhaps a text is cut at a delimiter that should have "
                "been quoted"
            )
        return lines

    def report(self) -> list[str]:
        """Returns how each source was read, and the warnings."""
        return [*self.how, *(f"warning: {each}" for each in self.warnings())]

    def _complete(self, source: str, progress: Progress | None) -> Iterator[Pair]:
        before = self.rows, self.without_text, self.without_label
        for text, label in self._read(source, progress):
            if text and label:
                self.rows += 1
                yield text, label
            elif not text:
                self.without_text += 1
            else:
                self.without_label += 1
        rows, no_text, no_label = (
            now - then
            for now, then in zip(
                (self.rows, self.without_text, self.without_label), before, strict=True
            )
        )
        for count, role in ((no_text, "text"), (no_label, "label")):
            if count > rows:
                raise DataError(
                    f"{source}: no {role} in {count:,} of "
                    f"{counted(rows + no_text + no_label, 'row')}; name its column with "
                    f"--{role}-column, or complete or remove these rows"
                )

    def _read(self, source: str, progress: Progress | None) -> Iterator[tuple[str, str | None]]:
        path = _path(source)
        try:
            if path.is_dir():
                self.how.append(f"{source}: a folder for labels")
                yield from folder_rows(path, self._options.encoding, progress)
                return
            table = Table.open(
                path, self._options, labelled=True, known=self._known, progress=progress
            )
            self.how.append(f"{source}: {table.how}")
            nameless = _nameless(table)
            for row in table:
                cells = row.cells
                # The keys of a JSON object are names, whatever they look like.
                if nameless and not isinstance(cells, Mapping):
                    self.spilled += any(cells[column] for column in nameless)
                yield row[:2]
        except TableError as error:
            raise DataError(str(error)) from None


def _nameless(table: Table) -> list[int]:
    """Returns the last columns, which the header of a table does not name: they go by their
    numbers. A column before a named one is no rest of a text, but an index: pandas names none."""
    named = [column for column, name in enumerate(table.columns) if name != str(column + 1)]
    return list(range(named[-1] + 1, len(table.columns))) if named else []


def _path(source: str) -> Path:
    path = SURNAMES if source in LABELLED_SETS else expand(source)
    if not path.exists():
        raise DataError(
            f"{source}: no such file, folder or named set ({', '.join(LABELLED_SETS)}); to name "
            "several files, repeat --data"
        )
    return path


@contextmanager
def _progress(sources: Sequence[str]) -> Iterator[Callable[[int], object] | None]:
    """Opens a progress bar, if there is much to read."""
    size = 0
    for path in map(_path, sources):
        size += folder_size(path) if path.is_dir() else path.stat().st_size
    if size < _BAR_BYTES:
        yield None
        return
    with progress_bar(size, "reading", unit="B", unit_scale=True, leave=False) as bar:
        yield bar.update
