"""Draws that anybody can repeat: a number between 0 and 1 that follows from two texts.

The same salt and unit give the same number in every process, on every machine, for ever; another
salt gives numbers that have nothing to do with them. Must never be used for secrets.
"""

from hashlib import blake2b

_STEPS = 2.0**-53


def draw(salt: str, unit: str) -> float:
    """The number of a unit in [0, 1): one of 2^53 that are equally likely."""
    key = salt.encode("utf-8", "surrogatepass")
    if len(key) > blake2b.MAX_KEY_SIZE:
        key = blake2b(key).digest()
    digest = blake2b(unit.encode("utf-8", "surrogatepass"), key=key, digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) * _STEPS
