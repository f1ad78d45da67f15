"""Hashes of the n-grams that end at each character of a text, and of the word so far."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

MAX_ROWS = 2**18
"""Largest table."""
_LARGE = 2**15
"""Larger tables have the smaller factor, and a power of two of rows."""
_FACTOR, _SMALL_FACTOR = 257, 61
"""Base of the polynomial hash: odd, and for small tables a prime above 256, so that pairs of codes
below it do not collide before the hash is reduced to the table's size. The word so far always has
the smaller one: more of its codes then fit into int32 before their polynomial is reduced. A row
times the factor, plus a code, stays below 2**24, so float32 holds it exactly, as well as the whole
part of its quotient: division by a power of two is exact."""
MAX_PREFIX = 8
"""Most codes of the word so far."""


class NGramHash(nn.Module):
    """Table entries of n-grams, by a polynomial hash of their codes (Bojanowski et al., 2017,
    "Enriching word vectors with subword information").

    The first table may be for the word so far: the codes since the last space, up to `prefix` of
    them. At the end of a word that is the word itself. The other tables are for n = 2, 3 ….

    A code is a whole number from 1; 0 stands before the begin of a text.
    """

    sizes: Tensor
    """Entries of each table, [tables]."""
    factors: Tensor
    """Base of each table's hash, [tables]."""
    begins: Tensor
    """First entry of each table, if all are one, [tables]."""
    reach: Tensor
    """1 if a place (newest first) belongs to what a table is for, else 0, [places, tables]."""
    over_spaces: Tensor
    """1 if what a table is for goes on over a space, else 0, [tables]."""

    def __init__(self, rows: Sequence[int], prefix: int = 0, space: int = 0) -> None:
        """Declares the tables.

        Args:
            rows: entries of each table.
            prefix: most codes of the word so far that its table, the first one, is for; 0: all
                tables are for n-grams.
            space: code that separates words; 0: none.
        """
        super().__init__()
        assert prefix <= MAX_PREFIX
        for each in rows:
            assert each <= _LARGE or (each <= MAX_ROWS and each.bit_count() == 1)
        self.rows = tuple(rows)
        self.prefix, self.space = prefix, space
        words = int(prefix > 0)
        small = [_SMALL_FACTOR if each > _LARGE else _FACTOR for each in rows]
        self.bases = (_SMALL_FACTOR,) * words + tuple(small[words:])
        """Base of each table's hash."""
        reach = [*([prefix] if prefix else []), *range(2, len(rows) - words + 2)]
        self._reach = reach
        self.places = max(reach)
        """Codes that the longest n-gram, or the word so far, has."""
        within = torch.arange(self.places)[:, None] < torch.tensor(reach)
        over = torch.ones(len(rows))
        over[:words] = 0
        begins = torch.from_numpy(np.cumsum(rows) - rows)
        floats = {
            "sizes": torch.tensor(rows, dtype=torch.float32),
            "factors": torch.tensor(self.bases, dtype=torch.float32),
            "reach": within.float(),
            "over_spaces": over,
        }
        for name, value in {**floats, "begins": begins}.items():
            self.register_buffer(name, value, persistent=False)

    def of_sequences(self, run: Tensor) -> list[Tensor]:
        """Computes the entries of whole sequences, in whole numbers.

        Args:
            run: codes [batch, places + time], with those before the sequence.

        Returns:
            Entries [batch, time], for each table.
        """
        codes = run.to(torch.int32)  # a row times its factor, plus a code, stays below 2**31
        time = codes.shape[1] - self.places
        inside = (codes != self.space).to(torch.int32) if self.prefix else codes
        found, begin = [], 0
        tables = zip(self.rows, self.bases, self._reach, strict=True)
        for table, (rows, base, length) in enumerate(tables):
            row = torch.zeros_like(codes[:, :time])
            for place in range(length - 1, -1, -1):
                at = slice(self.places - place, self.places - place + time)
                row = (row * base + codes[:, at]) % rows
                if self.prefix and table == 0:
                    row = row * inside[:, at]
            found.append(row.long() + begin)
            begin += rows
        return found

    def of_codes(self, codes: Tensor) -> Tensor:
        """Computes the entries at one time, in float32 as far as possible.

        Args:
            codes: [..., places], newest first.

        Returns:
            Entries [tables, ...].
        """
        each_table = (-1, *(1 for _ in codes.shape[:-1]))
        rows, factors = self.sizes.view(each_table), self.factors.view(each_table)
        row = codes.new_zeros(len(self.rows), *codes.shape[:-1])
        for place in range(self.places - 1, -1, -1):
            code = codes[..., place]
            row = row * factors + self.reach[place].view(each_table) * code
            if self.prefix:
                inside = (code - self.space).abs().clamp(max=1)
                row = row * torch.maximum(inside, self.over_spaces.view(each_table))
            # `%`: model files must not hold the operator Mod
            row = row - (row / rows).long() * rows
        return row.long() + self.begins.view(each_table)
