"""The random numbers against the published algorithm, without numpy's generator.

The format page promises this sequence to programs in other languages.
"""

import numpy as np

from rnn_infer.sampling import Uniforms

_MASK = 2**64 - 1


def _philox_block(counter: int, key: int) -> list[int]:
    """Return one block of Philox 4×64 with 10 rounds: four 64-bit words.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011.
    """
    words = [(counter >> (64 * i)) & _MASK for i in range(4)]
    low_key, high_key = key & _MASK, key >> 64
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * words[0], 0xCA5A826395121157 * words[2]
        words = [
            (second >> 64) ^ words[1] ^ low_key,
            second & _MASK,
            (first >> 64) ^ words[3] ^ high_key,
            first & _MASK,
        ]
        low_key = (low_key + 0x9E3779B97F4A7C15) & _MASK
        high_key = (high_key + 0xBB67AE8584CAA73B) & _MASK
    return words


def test_uniforms_are_philox_as_published() -> None:
    for seed in (0, 1, 2**40 + 3, 2**64 - 1):
        expected = []
        for block in range(1, 4):
            for word in _philox_block(block, seed):
                for half in (word & 0xFFFFFFFF, word >> 32):
                    expected.append((half >> 8) * 2.0**-24)
        assert Uniforms(seed).take(24).tolist() == np.array(expected, np.float32).tolist()
