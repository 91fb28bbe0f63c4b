"""What the host has to offer, found out without changing anything."""

import ipaddress
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

BRIDGE_FILE = Path("/run/blockhost/bridge")
NETWORK_CLASS = Path("/sys/class/net")
DEVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,14}")


def run_json(argv: list[str]) -> list:
    """A command that prints JSON; one that cannot be run or fails has nothing to say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=True)
        found = json.loads(done.stdout or "[]")
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
    return found if isinstance(found, list) else []


def bridges() -> list[str]:
    if not NETWORK_CLASS.is_dir():
        return []
    return sorted(card.name for card in NETWORK_CLASS.iterdir() if (card / "bridge").is_dir())


def is_bridge(name: str) -> bool:
    return bool(DEVICE.fullmatch(name)) and (NETWORK_CLASS / name / "bridge").is_dir()


def bridge_networks(name: str) -> list[ipaddress.IPv4Interface]:
    """The bridge's own addresses with their subnets."""
    if not is_bridge(name):
        return []
    return [
        ipaddress.IPv4Interface(f"{address['local']}/{address['prefixlen']}")
        for card in run_json(["ip", "-j", "-4", "addr", "show", "dev", name, "scope", "global"])
        for address in card.get("addr_info", [])
        if address.get("family") == "inet"
    ]


def bridge_network(name: str) -> ipaddress.IPv4Interface | None:
    """The first one."""
    return next(iter(bridge_networks(name)), None)


def find_bridge() -> str:
    """The one the installer made; after a reboot its note is gone, and the first with an address is it."""
    try:
        noted = BRIDGE_FILE.read_text().strip()
    except OSError:
        noted = ""
    if is_bridge(noted):
        return noted
    return next((name for name in bridges() if bridge_network(name) is not None), "")


def gateway_of(bridge: str, interface: ipaddress.IPv4Interface) -> str:
    for route in run_json(["ip", "-j", "-4", "route", "show", "default", "dev", bridge]):
        if "gateway" in route:
            return str(route["gateway"])
    return str(interface.network[1])


def pool_of(bridge: str) -> dict | None:
    """
    Addresses for VMs, from the bridge's own subnet: the upper part of what shares the host's first three
    octets, since these are what the database makes addresses of. DHCP servers mostly begin below.
    """
    interface = bridge_network(bridge)
    if interface is None or interface.network.num_addresses < 8:
        return None
    same = ipaddress.IPv4Network(f"{interface.ip}/24", strict=False)
    network = interface.network if interface.network.prefixlen >= 24 else same
    first, last = int(network[1]) & 255, int(network[-2]) & 255
    start = max(first + (last - first + 1) * 3 // 4, first)
    return {
        "ip_network": str(interface.network if interface.network.prefixlen >= 24 else _around(interface)),
        "ip_start": start,
        "ip_end": last,
        "gateway": gateway_of(bridge, interface),
    }


def _around(interface: ipaddress.IPv4Interface) -> str:
    """The subnet named by the host's part of it: the first three octets of this text become the addresses'."""
    octets = str(interface.ip).split(".")[:3]
    return f"{'.'.join(octets)}.0/{interface.network.prefixlen}"


def has_kvm() -> bool:
    """/dev/kvm alone proves little: without the CPU's flag guests hang."""
    if not os.path.exists("/dev/kvm"):
        return False
    try:
        return re.search(r"^flags\b.*\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text(), re.M) is not None
    except OSError:
        return False


def memory_mb() -> int:
    try:
        found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    except OSError:
        found = None
    return int(found[1]) // 1024 if found else 0


def free_gb(path: str) -> int | None:
    """Of the file system that a path is on, or will be on."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free // 1024**3
    except OSError:
        return None


def resources(storage_path: str) -> dict:
    bridge = find_bridge()
    return {
        "bridge": bridge,
        "bridges": bridges(),
        "pool": pool_of(bridge) if bridge else None,
        "kvm": has_kvm(),
        "cpus": os.cpu_count() or 1,
        "memory_mb": memory_mb(),
        "free_gb": free_gb(storage_path),
    }
