"""A program that stays up and answers each line with one line of JSON: the engines that are not ours run like this."""

import json
import subprocess
from collections.abc import Sequence
from threading import Timer
from typing import IO, Any

Json = dict[str, Any]
STOP_SECONDS = 20


class OracleError(Exception):
    """An engine failed, or gave no answer."""


class ResidentProcess:
    """One running program. ``log`` takes what it writes to stderr, which is dropped without one."""

    def __init__(self, command: Sequence[str], *, log: IO[str] | None = None) -> None:
        self._name = command[0]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if log is None else log,
            text=True,
            encoding="utf-8",
        )

    def ask(self, line: str, *, seconds: int) -> Json:
        """Send a line and give its answer. Raises: OracleError without one in time."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self.read(seconds)

    def read(self, seconds: int) -> Json:
        """Give the next answer. Raises: OracleError without one in time."""
        assert self._process.stdout is not None
        # A hung engine is killed, which ends the line; a missing answer is never taken for agreement.
        timer = Timer(seconds, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            raise OracleError(f"{self._name} gave no answer")
        answer: Json = json.loads(line)
        return answer

    def stop(self) -> None:
        """End it: by the end of its input, else by force."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
