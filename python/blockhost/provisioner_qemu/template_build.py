"""Builds the template, and lets others see how far it is."""

import hashlib
import json
import os
import stat
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
    """A template that has just the packages of the folder in it needs no building when setup is tried again."""
    current = Path(storage) / "templates" / "current"
    try:
        manifest = json.loads((current / "template.json").read_text())
        built_in = manifest.get("packageFiles", {})
        there = {package.name: _sha256(package) for package in PACKAGES.glob("*.deb")}
    except (OSError, ValueError, AttributeError):
        return False
    return (current / "disk.qcow2").exists() and built_in == there


def _sha256(file: Path) -> str:
    """@raises OSError, also for what is no regular file: the build says so in words."""
    fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as content:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{file} is not a regular file")
        digest = hashlib.sha256()
        while chunk := content.read(1 << 20):
            digest.update(chunk)
        return digest.hexdigest()


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
