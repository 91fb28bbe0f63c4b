"""cloud-init user-data by BlockHost's own template."""

import ipaddress
import json
import os
from pathlib import Path

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
        """What configuration says of a guest; files that are absent or odd leave the defaults."""
        auth = self._yaml("web3-defaults.yaml").get("auth") or {}
        broker = self._json("broker-allocation.json")
        return {
            "otp_length": whole(auth.get("otp_length"), 6),
            "otp_ttl": whole(auth.get("otp_ttl_seconds"), 300),
            "dns_zone": broker.get("dns_zone") or "",
            # The broker's name of an address: its lower half in hexadecimal digits, without leading zeros.
            "dns_label": f"{int(ipaddress.IPv6Address(ipv6)) & 2**64 - 1:x}" if ipv6 else "",
            "ipv6_gateway": gateway(broker.get("prefix")),
        }

    def _yaml(self, name: str) -> dict:
        import yaml

        file = self._config / name
        content = yaml.safe_load(file.read_text()) if os.path.exists(file) else {}
        return content if isinstance(content, dict) else {}

    def _json(self, name: str) -> dict:
        file = self._config / name
        content = json.loads(file.read_text()) if os.path.exists(file) else {}
        return content if isinstance(content, dict) else {}


def gateway(prefix: str | None) -> str:
    """The prefix's first address is the host's."""
    return str(ipaddress.IPv6Network(prefix, strict=False)[1]) if prefix else ""


def whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
