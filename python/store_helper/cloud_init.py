"""cloud-init user-data by BlockHost's own template."""

import ipaddress
from pathlib import Path

from config_files import read_json, read_yaml

TEMPLATE = "nft-auth.yaml"


class CloudInit:
    def __init__(self, config_dir: str):
        self._config = Path(config_dir)

    def operations(self) -> dict:
        return {"render": self.render, "guest_settings": self.guest_settings}

    def render(self, variables: dict[str, str]) -> str:
        from blockhost.cloud_init import render_cloud_init

        return render_cloud_init(TEMPLATE, variables)

    def guest_settings(self, ipv6: str) -> dict:
        """
        What configuration says of a guest; files that are absent, and values that are odd, leave the defaults.
        @raises HelperError naming a file that is damaged.
        """
        auth = read_yaml(self._config / "web3-defaults.yaml").get("auth")
        auth = auth if isinstance(auth, dict) else {}
        broker = read_json(self._config / "broker-allocation.json")
        return {
            "otp_length": whole(auth.get("otp_length"), 6),
            "otp_ttl": whole(auth.get("otp_ttl_seconds"), 300),
            "dns_zone": text(broker.get("dns_zone")),
            # The broker's name of an address: its lower half in hexadecimal digits, without leading zeros.
            "dns_label": f"{int(ipaddress.IPv6Address(ipv6)) & 2**64 - 1:x}" if ipv6 else "",
            "ipv6_gateway": gateway(text(broker.get("prefix"))),
        }


def gateway(prefix: str) -> str:
    """The prefix's first address is the host's."""
    try:
        return str(ipaddress.IPv6Network(prefix, strict=False)[1]) if prefix else ""
    except (ValueError, IndexError):
        return ""


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
