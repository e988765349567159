"""Measuring a link: a producer that is as fast as it can, and a consumer that looks at nothing.

ref: the original's manual page data_rate_consumer(1).
"""

from __future__ import annotations

import time
from typing import Any, ClassVar

from narval.plugins.plugin import Consumer, Parameter, Producer, Run


class RateProducer(Producer):
    """Gives blocks of one size, with a number of 8 bytes at their beginning."""

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("block_bytes", 65536, "size of a block; at most the buffer's", least=8),
        Parameter("blocks_per_s", 0.0, "how many at most; 0 is as many as possible", least=0),
    )

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin at block number 0."""
        self._number = 0
        self._began = time.monotonic()

    def produce(self, output: memoryview) -> int:
        """Number the block; what else is in it is what was there."""
        rate = float(self.values["blocks_per_s"])
        if rate and self._number >= rate * (time.monotonic() - self._began):
            return 0
        output[:8] = self._number.to_bytes(8, "little")
        self._number += 1
        return min(int(self.values["block_bytes"]), len(output))


class RateConsumer(Consumer):
    """Counts blocks, and those that are missing by their numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks = self._missing = self._next = 0

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin to count."""
        self._blocks = self._missing = self._next = 0

    def consume(self, data: memoryview) -> None:
        """Count a block."""
        number = int.from_bytes(data[:8], "little")
        self._missing += max(0, number - self._next)
        self._next = number + 1
        self._blocks += 1

    def monitor(self) -> dict[str, Any] | None:
        """Return the counts."""
        return {"blocks": self._blocks, "missing": self._missing}
