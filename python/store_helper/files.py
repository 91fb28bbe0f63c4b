"""Files that others may be writing while they are read."""

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# A writer that truncates in place is done within milliseconds; one that was killed never is.
PATIENCE = 1.5


def patiently(read: Callable[[], T], patience: float = PATIENCE) -> T:
    """Calls `read` again while what it reads is no JSON: some writers of the database truncate it in place."""
    end = time.monotonic() + patience
    while True:
        try:
            return read()
        except ValueError as error:
            if not isinstance(error, json.JSONDecodeError) or time.monotonic() > end:
                raise
        time.sleep(0.01)


def write_json(file: Path, content: Any) -> None:
    """Replaces the file by rename: a reader, or a power cut, sees the old content or the new."""
    fd, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".tmp")
    try:
        with os.fdopen(fd, "w") as out:
            json.dump(content, out)
            out.flush()
            os.fsync(out.fileno())
        os.rename(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    with open(file, "a") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        yield
