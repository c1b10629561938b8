"""A moment that several processes know: time limits hold also where somebody sets the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Deadline:
    """When time is over.

    Attributes
    ----------
    boot : str
        Which run of which machine `steady` counts from.
    steady : float
        By a clock that nobody sets; those of other machines count from elsewhere.
    time_of_day : float
        For these.
    """

    boot: str
    steady: float
    time_of_day: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(boot_of_this_machine(), time.monotonic() + seconds, time.time() + seconds)

    def left(self) -> float:
        """Seconds; none below 0."""
        is_here = self.boot == boot_of_this_machine()
        return max(0.0, self.steady - time.monotonic() if is_here else self.time_of_day - time.time())


def boot_of_this_machine() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
