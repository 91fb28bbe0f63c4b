"""A made-up host for the wizard: what detection would find, without this machine's own."""

import ipaddress
import sys
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "test/support/blockhost/pages")]

from blockhost.provisioner_qemu import detect  # noqa: E402 - its place is set above


def on_host(test, bridge="br0", address="192.168.7.20/24", kvm=True, free=100):
    """Patches detection for the length of a test."""
    interface = ipaddress.IPv4Interface(address) if address else None
    known = {bridge, "br1"} if bridge else set()
    for name, double in {
        "find_bridge": lambda: bridge if interface else "",
        "bridges": lambda: sorted(known),
        "is_bridge": lambda name: name in known,
        "bridge_networks": lambda name: [interface] if interface and name == bridge else [],
        "gateway_of": lambda *_: str(interface.network[1]),
        "has_kvm": lambda: kvm,
        "free_gb": lambda _path: free,
    }.items():
        patch = mock.patch.object(detect, name, double)
        patch.start()
        test.addCleanup(patch.stop)
