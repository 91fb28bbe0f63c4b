"""Where templates and disks lie. The program knows one place; another disk is mounted there."""

import os
import subprocess
from pathlib import Path

from .form import DEFAULT_STORAGE

UNIT = Path("/etc/systemd/system/var-lib-blockhost\\x2dqemu.mount")

# What the program has in its folder; purging the package removes what stands here too.
OURS = {
    "templates",
    "vms",
    "staging",
    "trash",
    "locks",
    "publish",
    "journal",
    "restarts",
    "metrics",
    "vms.json",
    "vms.json.lock",
}

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
    """@raises RuntimeError in words."""
    default = Path(DEFAULT_STORAGE)
    for name in ("", "templates", "vms"):
        os.makedirs(default / name, mode=0o755, exist_ok=True)
    if path == DEFAULT_STORAGE:
        return
    if os.path.ismount(default) and os.path.samefile(default, path):
        return
    if any((default / "vms").iterdir()) or any((default / "templates").iterdir()):
        raise RuntimeError(f"{default} holds VMs or templates already: move them to {path} first")
    _assert_unused(path)
    for name in ("", "templates", "vms"):
        os.makedirs(Path(path) / name, mode=0o755, exist_ok=True)
    UNIT.write_text(TEXT.format(path=path, where=DEFAULT_STORAGE))
    for argv in (["systemctl", "daemon-reload"], ["systemctl", "enable", "--now", UNIT.name]):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(argv)} failed: {done.stderr.strip()[-300:]}")


def _assert_unused(path: str) -> None:
    """Where other programs, or people, have their files, neither their owner nor their mode may change."""
    entries = set(os.listdir(path)) - {"lost+found"} if os.path.exists(path) else set()
    others = sorted(entries - OURS)
    if not others and entries and not entries >= {"templates", "vms"}:
        # Names that anybody may have given.
        others = sorted(entries)
    if others:
        raise RuntimeError(f"{path} holds other files ({others[0]}): name a new or an empty folder")
