"""What is asked of every keeper of counts: say what is counted, add to it, read sums of it."""

from typing import Protocol


class Tally(Protocol):
    """Amounts by name, key and stretch of time (bucket). Only ever added to, so several processes
    merge by adding. May be called from several threads."""

    def declare(self, name: str, bucket_ns: int, buckets: int, width: int) -> None:
        """Say how a name is counted: the length of a bucket, how many are kept, and how many
        amounts each has. Saying the same again changes nothing; another length of bucket or
        number of amounts is `InvalidUsage`: put them into the name. May read a file once."""
        ...

    def add(self, name: str, key: str, amounts: tuple[float, ...], time_ns: int) -> None:
        """Add finite amounts to the bucket of a moment. Never waits for anything but memory."""
        ...

    def read(self, name: str, key: str, since_ns: int, until_ns: int) -> tuple[float, ...]:
        """The sums of all buckets that lie, even partly, between two moments, both included.
        Never waits: what this process added counts at once, what others did within a second."""
        ...

    @property
    def forgotten(self) -> int:
        """How many keys were let go of to make room for newer ones."""
        ...

    def close(self) -> None:
        """Keep what is there, and let go of it."""
        ...
