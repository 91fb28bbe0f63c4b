"""Where templates and disks lie. The program knows one place; another folder is mounted there."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import places
from .form import DEFAULT_STORAGE

UNIT = Path("/etc/systemd/system/var-lib-blockhost\\x2dqemu.mount")
# Needs the mount, so systemd stops it with that.
VMS = "blockhost-qemu-vms.service"

TEXT = """[Unit]
Description=Disks of virtual machines
RequiresMountsFor={path}
Before=blockhost-root-agent.service blockhost-qemu-vms.service

[Mount]
What={path}
Where={where}
Type=none
Options=bind

[Install]
WantedBy=local-fs.target
"""


def prepare(path: str) -> None:
    """
    Has templates and VMs lie in a folder from now on; may be repeated, and asked for another folder or the default
    one as long as there are none.
    @raises RuntimeError in words.
    """
    wanted = os.path.realpath(path)
    _make(DEFAULT_STORAGE)
    if wanted == os.path.realpath(DEFAULT_STORAGE):
        if UNIT.exists():
            _assert_movable(wanted)
            _with_vms_service(_unmount)
    elif not places.is_mounted(DEFAULT_STORAGE, of=wanted):
        _assert_movable(wanted)
        _assert_usable(wanted)
        _with_vms_service(lambda: _move(wanted))
    else:
        _mount(wanted)


def _move(wanted: str) -> None:
    if UNIT.exists():
        _unmount()
    elif places.is_mounted(DEFAULT_STORAGE):
        raise RuntimeError(f"something else is mounted on {DEFAULT_STORAGE}: unmount it, or keep that path")
    # What a mount has covered.
    _assert_movable(wanted)
    _make(wanted)
    for name in ("", "templates", "vms"):
        os.chmod(Path(wanted) / name, 0o755)
    _mount(wanted)


def _make(folder: str) -> None:
    for name in ("", "templates", "vms"):
        os.makedirs(Path(folder) / name, mode=0o755, exist_ok=True)


def _assert_movable(wanted: str) -> None:
    """VMs also count where a disk of theirs is not mounted just now."""
    for folder in (_noted(), os.path.realpath(DEFAULT_STORAGE)):
        if folder and folder != wanted and places.holds_disks(folder):
            raise RuntimeError(
                f"{folder} holds VMs or templates already: keep that path, or move them to {wanted} first"
            )


def _assert_usable(wanted: str) -> None:
    objection = places.objection(wanted)
    if objection is not None:
        raise RuntimeError(objection)


def _noted() -> str | None:
    """The folder that an earlier setup has mounted."""
    try:
        found = re.search(r"^What=(.+)$", UNIT.read_text(), re.M)
    except FileNotFoundError:
        return None
    return found[1] if found else None


def _mount(wanted: str) -> None:
    UNIT.write_text(TEXT.format(path=wanted, where=DEFAULT_STORAGE))
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", UNIT.name)
    if not places.is_mounted(DEFAULT_STORAGE, of=wanted):
        raise RuntimeError(f"{wanted} is not what is mounted on {DEFAULT_STORAGE}: see journalctl -b")


def _unmount() -> None:
    _systemctl("disable", "--now", UNIT.name)
    if places.is_mounted(DEFAULT_STORAGE):
        raise RuntimeError(f"{DEFAULT_STORAGE} is still mounted: unmount it first")
    UNIT.unlink()
    _systemctl("daemon-reload")
    _make(DEFAULT_STORAGE)


def _with_vms_service(work: Callable[[], None]) -> None:
    running = _asked("is-active", "--quiet", VMS).returncode == 0
    try:
        work()
    finally:
        if running:
            _asked("start", VMS)


def _systemctl(*arguments: str) -> None:
    done = _asked(*arguments)
    if done.returncode != 0:
        raise RuntimeError(f"systemctl {' '.join(arguments)} failed: {done.stderr.strip()[-300:]}")


def _asked(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["systemctl", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
