"""What one timed call gives, whatever program made it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds for one fit (mean over the repetitions of one round) and the criterion it reached."""

    elapsed: float
    cpu: float
    objective: float
    core: float | None = None


class EngineError(Exception):
    """The program could not fit the model; the message is the reason, in a few words."""


class EngineTimeoutError(EngineError):
    """The program did not end within the limit given."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        super().__init__(f"over {seconds:.0f} s")
