"""Builds the template, and lets others see how far it is."""

import os
import subprocess
import threading
from pathlib import Path

from .form import DEFAULT_STORAGE

COMMAND = "blockhost-build-template"
PACKAGES = Path("/var/lib/blockhost/template-packages")
TIME_LIMIT = 1780.0

_lock = threading.Lock()
_last = ""


def progress() -> str:
    with _lock:
        return _last


def _say(line: str) -> None:
    global _last
    with _lock:
        _last = line[:300]


def is_current(storage: str = DEFAULT_STORAGE) -> bool:
    """A template that was built after the last package came needs no building when setup is tried again."""
    image = Path(storage) / "templates" / "current" / "disk.qcow2"
    try:
        built = image.stat().st_mtime
    except OSError:
        return False
    return all(package.stat().st_mtime <= built for package in PACKAGES.glob("*.deb"))


def build() -> tuple[bool, str | None]:
    if is_current():
        return True, None
    _say("starting")
    try:
        process = subprocess.Popen(
            [COMMAND],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        return False, f"{COMMAND} cannot be run: {error.strerror}"
    timer = threading.Timer(TIME_LIMIT, process.terminate)
    timer.start()
    last = ""
    try:
        with process:
            for line in process.stderr:
                if line.strip():
                    last = line.strip()
                    _say(last)
        code = process.returncode
    finally:
        timer.cancel()
    if code == 0:
        _say("done")
        return True, None
    return False, f"The template could not be built: {last[-300:] or f'exit code {code}'}"
