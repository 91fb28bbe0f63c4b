"""The settings of the wizard's page: one place that says what is right, for the form and for all that bypasses it."""

import ipaddress
import os
import re
from collections.abc import Mapping

from . import detect, places

DEFAULT_STORAGE = "/var/lib/blockhost-qemu"

# Where no disk of a VM belongs, or what does not outlive a reboot.
FORBIDDEN = (
    *("/bin", "/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr"),
    *("/lib", "/lib32", "/lib64", "/libx32", "/var/cache", "/var/lib/dpkg", "/var/log", "/var/run", "/var/tmp"),
    # The installer gives all of it to its own user; what is below the mount point would be covered by it.
    *("/opt/blockhost", "/var/lib/blockhost", f"{DEFAULT_STORAGE}/"),
)
LEAST_FREE_GB = 2

FIELDS = (
    "bridge",
    "ip_network",
    "ip_start",
    "ip_end",
    "gateway",
    "storage_path",
    "gc_grace_days",
    "default_expiry_days",
)


def defaults(found: dict | None = None) -> dict:
    found = found or detect.resources(DEFAULT_STORAGE)
    pool = found["pool"] or {"ip_network": "", "ip_start": "", "ip_end": "", "gateway": ""}
    return {
        "bridge": found["bridge"],
        **pool,
        "storage_path": DEFAULT_STORAGE,
        "gc_grace_days": 7,
        "default_expiry_days": 30,
    }


def check(given: Mapping, found: dict | None = None) -> tuple[dict, dict[str, str]]:
    """
    Every field, defaulted and checked. Setups that come from a file bring some keys, as text or as numbers.
    @returns the settings, and what is wrong by field.
    """
    settings = defaults(found)
    given = given if isinstance(given, Mapping) else {}
    for field in FIELDS:
        value = given.get(field)
        if value is not None and str(value).strip() != "":
            settings[field] = str(value).strip()
    if given.get("bridge") and not given.get("ip_network") and settings["bridge"] != defaults_bridge(found):
        # Another bridge, another subnet.
        settings.update(detect.pool_of(settings["bridge"]) or {})
    errors: dict[str, str] = {}
    _check_bridge(settings, errors)
    _check_pool(settings, errors)
    _check_storage(settings, errors)
    _check_number(settings, errors, "gc_grace_days", 0, 365)
    _check_number(settings, errors, "default_expiry_days", 1, 3650)
    return settings, errors


def defaults_bridge(found: dict | None) -> str:
    return found["bridge"] if found is not None else detect.find_bridge()


def _check_bridge(settings: dict, errors: dict) -> None:
    bridge = settings["bridge"]
    if not bridge:
        errors["bridge"] = "There is no network bridge yet. A wired network card is needed for one."
    elif not detect.DEVICE.fullmatch(bridge):
        errors["bridge"] = "A bridge's name has up to 15 letters, digits, dots, underscores and dashes."
    elif not detect.is_bridge(bridge):
        errors["bridge"] = "There is no bridge of that name on this host."


def _check_pool(settings: dict, errors: dict) -> None:
    try:
        network = ipaddress.IPv4Network(settings["ip_network"], strict=False)
        if not 8 <= network.prefixlen <= 29:
            raise ValueError
    except ValueError:
        errors["ip_network"] = "Use an IPv4 subnet such as 192.168.1.0/24."
        return
    # As the program reads it: a mask in another notation is one to Python only.
    settings["ip_network"] = f"{settings['ip_network'].split('/')[0]}/{network.prefixlen}"
    ends = (network.network_address, network.broadcast_address)
    for field in ("ip_start", "ip_end"):
        octet = _last_octet(settings[field], settings["ip_network"])
        if octet is None:
            errors[field] = "Use a number from 1 to 254, or an address of the subnet."
            continue
        settings[field] = octet
        address = ipaddress.IPv4Address(_address(settings["ip_network"], octet))
        if address not in network:
            errors[field] = "This address is not in the subnet."
        elif address in ends:
            errors[field] = "This address is the subnet's own, or its broadcast address."
    if not errors.keys() & {"ip_start", "ip_end"} and settings["ip_start"] > settings["ip_end"]:
        errors["ip_end"] = "The last address comes before the first."
    try:
        gateway = ipaddress.IPv4Address(settings["gateway"])
        if gateway not in network or gateway in ends:
            errors["gateway"] = "The gateway is not an address of the subnet."
    except ValueError:
        errors["gateway"] = "Use an IPv4 address."
    if not errors.keys() & {"ip_start", "ip_end", "gateway"}:
        _check_pool_on_bridge(settings, network, errors)


def _check_pool_on_bridge(settings: dict, network: ipaddress.IPv4Network, errors: dict) -> None:
    """The program gives no VM the gateway's address or one of the host's; something has to be left, and be reached."""
    own = [interface.ip for interface in detect.bridge_networks(settings["bridge"])]
    if own and not any(address in network for address in own):
        errors["ip_network"] = f"The bridge has no address in this subnet, but {own[0]}: VMs would not be reached."
    taken = {settings["gateway"], *map(str, own)}
    pool = range(settings["ip_start"], settings["ip_end"] + 1)
    if all(_address(settings["ip_network"], octet) in taken for octet in pool):
        errors["ip_end"] = "These are only the gateway's and the host's own addresses: none is left for VMs."


def _address(network: str, octet: int) -> str:
    return ".".join([*network.split("/")[0].split(".")[:3], str(octet)])


def _last_octet(value: object, network: str) -> int | None:
    text = str(value)
    if "." in text:
        if text.split(".")[:3] != network.split("/")[0].split(".")[:3]:
            return None
        text = text.split(".")[-1]
    if not re.fullmatch(r"[0-9]{1,3}", text, re.ASCII) or not 1 <= int(text) <= 254:
        return None
    return int(text)


def _check_storage(settings: dict, errors: dict) -> None:
    path = settings["storage_path"].rstrip("/") or "/"
    settings["storage_path"] = path
    if not places.PLAIN.fullmatch(path) or len(path) > 200:
        errors["storage_path"] = "Use an absolute path of letters, digits, dots, underscores and dashes."
    elif any(_is_below(named, bad) for named in (path, os.path.realpath(path)) for bad in FORBIDDEN):
        errors["storage_path"] = "Disks of VMs cannot be kept there."
    elif (why := _objection(path)) is not None:
        errors["storage_path"] = f"{why}."
    else:
        free = detect.free_gb(path)
        if free is not None and free < LEAST_FREE_GB:
            errors["storage_path"] = f"Only {free} GB are free there; a template needs {LEAST_FREE_GB}."


def _objection(path: str) -> str | None:
    """The default folder, and one that is in use already, are what they are."""
    if os.path.realpath(path) == os.path.realpath(DEFAULT_STORAGE) or places.is_mounted(DEFAULT_STORAGE, of=path):
        return None
    return places.objection(path)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _check_number(settings: dict, errors: dict, field: str, least: int, most: int) -> None:
    text = str(settings[field])
    if re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) and least <= int(text) <= most:
        settings[field] = int(text)
    else:
        errors[field] = f"Use a whole number from {least} to {most}."
