"""The one known word that a misspelled one means, if there is just one."""

from collections.abc import Iterable


def distance(one: str, other: str, most: int) -> int:
    """How many edits make one word the other: a letter more, fewer or another, or two neighbours
    swapped; `most + 1` where it is more than `most`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row] + [0] * len(other)
        for place, mine in enumerate(other, 1):
            least = min(last[place] + 1, line[place - 1] + 1, last[place - 1] + (letter != mine))
            swapped = row > 1 and place > 1 and letter == other[place - 2] and one[row - 2] == mine
            line[place] = min(least, before[place - 2] + 1) if swapped else least
        if min(line) > most:
            return most + 1
        before, last = last, line
    return min(last[-1], most + 1)


def nearest(word: str, known: Iterable[str], most: int) -> str | None:
    """The known word that is nearest, within so many edits; nothing where two are as near."""
    best, found = most + 1, None
    for each in known:
        apart = distance(word, each, min(best, most))
        if apart < best:
            best, found = apart, each
        elif apart == best <= most:
            found = None
    return found
