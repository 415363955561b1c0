"""Convert between messages and bytes.

Some servers number their messages in decimal digits, so a message is one byte larger from number 10 on, one more from
number 100 on, and so on. Others send each message in one size.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection

from benchmarks.plan import BenchmarkError

CALIBRATING = 10  # messages to each receiver: number 10 is the first with two digits
_MOST_DIGITS = 18
# A receiver may have got something else just then, such as a ping. So many must agree.
_AGREEING = 0.9
_SHOWN = 5  # sizes in the error


class Sizes:
    """Convert between the messages that one receiver gets and their bytes, counted from the end of calibration.

    ``size`` is the size of the first of these messages. ``number`` is its number, None if the server does not number
    its messages.
    """

    def __init__(self, size: int, number: int | None = None) -> None:
        # Each span is a stretch of messages of one size: how many messages and bytes come before it, and the size.
        self._messages = [0]
        self._bytes = [0]
        self._sizes = [size]
        if number is not None:
            for digits in range(len(str(number)), _MOST_DIGITS):
                messages = 10**digits - number
                self._bytes.append(self.bytes(messages))
                self._messages.append(messages)
                self._sizes.append(self._sizes[-1] + 1)

    def bytes(self, messages: int) -> int:
        """Return how many bytes the first ``messages`` messages have."""
        span = bisect_right(self._messages, messages) - 1
        return self._bytes[span] + (messages - self._messages[span]) * self._sizes[span]

    def messages(self, bytes: int) -> int:
        """Return how many whole messages the first ``bytes`` bytes hold."""
        span = bisect_right(self._bytes, bytes) - 1
        return self._messages[span] + (bytes - self._bytes[span]) // self._sizes[span]


def usual(counts: Collection[int]) -> int:
    """Return the size on which nearly all of ``counts`` agree. Raises BenchmarkError if they do not."""
    commonest = Counter(counts).most_common(_SHOWN)
    count, times = commonest[0]
    if times < _AGREEING * len(counts):
        raise BenchmarkError(f"one message arrives in different sizes: {dict(commonest)}")
    return count


def learn(size: int, rest: int, total: int) -> Sizes:
    """Return the sizes of the messages after the first ``CALIBRATING``, number 1 to 10 if they are numbered.

    ``size`` is the size of an early one, ``total`` the bytes of the last ``rest`` of them. Raises BenchmarkError if the
    bytes fit neither kind of server.
    """
    growth = total - rest * size
    if growth == 0:
        return Sizes(size)
    if growth == 1:
        return Sizes(size + 1, CALIBRATING + 1)
    raise BenchmarkError(f"one message has {size} bytes, but {rest} messages have {total} bytes")
