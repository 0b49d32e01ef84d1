"""The hash of dropout and noise in Python's integers, step by step as the sources define it."""

from math import isqrt

GOLDEN = (isqrt(5 << 128) - (1 << 64)) // 2 | 1


def mix(z):
    """Mix 64 bits: the finalizer of SplitMix64."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def row_key(key, step, layer, row):
    """Return the key of a row; layer -1 is the input."""
    layer_key = mix((mix((key + step * GOLDEN) % 2**64) + (layer + 1) * GOLDEN) % 2**64)
    return mix((layer_key + (row + 1) * GOLDEN) % 2**64)


def neuron_bits(key_of_row, neuron):
    """Return the 32 bits of a neuron in a row."""
    h = (neuron + key_of_row) % 2**32
    h = (h ^ h >> 16) * 0x7FEB352D % 2**32
    h = (h ^ h >> 15 ^ key_of_row >> 32) * 0x846CA68B % 2**32
    return h ^ h >> 16
