"""db.yaml: what every program of BlockHost's on this host goes by."""

import grp
import os
import tempfile
from pathlib import Path

import yaml

CONFIG_DIR = Path("/etc/blockhost")
DATABASE = "/var/lib/blockhost/vms.json"
# Numbers name taps and the users that VMs run as; they are never given twice.
VMIDS = {"start": 100, "end": 999_999}


def write(settings: dict, config_dir: Path | None = None) -> Path:
    """
    Sets our keys and leaves those of others; readable for the group blockhost only.
    @raises RuntimeError when what is there cannot be read: others' keys would be lost.
    """
    file = (config_dir or CONFIG_DIR) / "db.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = _read(file)
    content.update(
        {
            "db_file": DATABASE,
            "bridge": settings["bridge"],
            "gc_grace_days": settings["gc_grace_days"],
            "default_expiry_days": settings["default_expiry_days"],
            "ip_pool": {
                "network": settings["ip_network"],
                "start": settings["ip_start"],
                "end": settings["ip_end"],
                "gateway": settings["gateway"],
            },
            "vmid_range": VMIDS,
            "storage_path": settings["storage_path"],
        }
    )
    content.pop("vmid_pool", None)
    fd, temporary = tempfile.mkstemp(dir=file.parent, prefix=".db.yaml.")
    try:
        with os.fdopen(fd, "w") as out:
            os.fchmod(out.fileno(), 0o640)
            group = _group("blockhost")
            if group is not None:
                os.fchown(out.fileno(), 0, group)
            yaml.safe_dump(content, out, default_flow_style=False, sort_keys=False)
        os.rename(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise
    return file


def _read(file: Path) -> dict:
    try:
        content = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuntimeError(f"{file} is not YAML: mend it, or move it away") from error
    if content is not None and not isinstance(content, dict):
        raise RuntimeError(f"{file} holds no settings: mend it, or move it away")
    return content or {}


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
