"""A child process that answers one line to each request,
and is killed when an answer takes too long.
"""

import os
import selectors
import subprocess
from collections.abc import Sequence

from benchmarks.engines.sample import EngineError, EngineTimeoutError

# One thread everywhere: what is compared is the work, not the number of cores.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)

ANSWER = b"@@"


class PipedProcess:
    """Talks to a child over its standard input and output.

    Lines that are not answers are ignored.
    """

    def __init__(self, command: Sequence[str]):
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._pending = b""

    def ask(self, request: str, timeout: float) -> str:
        """Send one request and return its answer without the mark."""
        import time

        if request:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(request.encode() + b"\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                raise EngineError("its process has ended") from None
        deadline = time.monotonic() + timeout
        while True:
            while b"\n" in self._pending:
                line, self._pending = self._pending.split(b"\n", 1)
                if line.startswith(ANSWER):
                    return line[len(ANSWER) :].decode()
            remaining = deadline - time.monotonic()
            if remaining <= 0 or not self._selector.select(remaining):
                self.close()
                raise EngineTimeoutError(timeout)
            assert self._process.stdout is not None
            chunk = self._process.stdout.read(65536)
            if not chunk:
                self._process.wait()
                raise EngineError(f"its process ended with code {self._process.returncode}")
            self._pending += chunk

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the child at once."""
        if self.alive:
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                stream.close()
