"""Runs the provisioner's own commands. Names are checked, values are arguments, nothing passes a shell."""

import json
import re
import subprocess

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")

# What the buttons may do, each by a verb of the contract; seconds as the panel's own buttons give.
ACTIONS = {"start": 60, "stop": 60, "kill": 60, "destroy": 60}
LOOK_SECONDS = 5


def is_name(name: object) -> bool:
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def act(verb: str, name: str) -> str | None:
    """@returns what went wrong, in a line."""
    try:
        done = _run([f"blockhost-vm-{verb}", name], ACTIONS[verb])
    except subprocess.TimeoutExpired:
        return f"{verb} of {name} took longer than {ACTIONS[verb]} s"
    except OSError as error:
        return f"blockhost-vm-{verb} cannot be run: {error.strerror}"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1][:500] if lines else f"{verb} of {name} failed"


def vms() -> list[dict]:
    """Entries of the list that make sense; a field of another type is empty."""
    found = _json(["blockhost-vm-list", "--format", "json"], 15)
    entries = found if isinstance(found, list) else []
    return [
        {key: _text(entry.get(key)) for key in ("name", "status", "ip", "created")}
        for entry in entries
        if isinstance(entry, dict) and is_name(entry.get("name"))
    ]


def metrics(name: str) -> dict:
    found = _json(["blockhost-vm-metrics", name], LOOK_SECONDS)
    return found if isinstance(found, dict) else {}


def history(name: str) -> dict:
    """By the resident sampler; without it there is none."""
    found = _json(["blockhost-qemu", "history", name, "--json"], LOOK_SECONDS)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _json(argv: list[str], seconds: float) -> object:
    try:
        done = _run(argv, seconds)
        return json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, RecursionError, subprocess.SubprocessError):
        return None


def _run(argv: list[str], seconds: float) -> subprocess.CompletedProcess:
    return subprocess.run(
        argv,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        stdin=subprocess.DEVNULL,
        cwd="/",
        check=False,
    )
