"""Numbers and addresses for VMs, as the database gives them and the ledger allows them."""

import ipaddress

from database import Database
from errors import HelperError


class Numbers:
    """To be asked within a turn: what is taken is noted as pending until somebody owns it."""

    def __init__(self, db: Database):
        self._db = db

    def preview(self, pool: bool, avoid: list[str]) -> dict:
        """What `take` would give, without taking it."""
        database, api = self._db.read(), self._db.api
        prefix = ".".join(api.ip_pool["network"].split(".")[:3])
        taken = {*database["allocated_ips"], *avoid, self._gateway()}
        hosts = range(api.ip_pool["start"], api.ip_pool["end"] + 1)
        free = (f"{prefix}.{host}" for host in hosts if f"{prefix}.{host}" not in taken)
        ip = next(free, None) if pool else ""
        if ip is None:
            raise self._exhausted()
        return {"vmid": max(database["next_vmid"], self._db.ledger.load().next_vmid), "ip": ip, "ipv6": ""}

    def take(self, database: dict, pool: bool, avoid: list[str]) -> dict:
        vmid = self._vmid(database)
        ip = self._address("ip", "allocate_ip", {*avoid, self._gateway()}) if pool else ""
        return {"vmid": vmid, "ip": ip, "ipv6": self._ipv6() if pool else ""}

    def _vmid(self, database: dict) -> int:
        least = max(database["next_vmid"], self._db.ledger.next_vmid)
        if not self._db.api.vmid_range:
            return max(least, 100)
        while True:
            vmid = self._db.call("allocate_vmid")
            if vmid >= least:
                return vmid

    def _gateway(self) -> str | None:
        return self._db.api.ip_pool.get("gateway")

    def _address(self, kind: str, method: str, avoid: set) -> str:
        """
        The lowest free one. Those it passes over stay taken: they are somebody's, just not a VM's. When it
        fails, the next turn frees what it took, by what was noted as pending.
        """
        while True:
            address = self._db.call(method)
            if address is None:
                raise self._exhausted()
            if address not in self._db.ledger.owned(kind) and address not in avoid:
                return address

    def _ipv6(self) -> str:
        prefix = self._db.api.ipv6_prefix
        if not prefix:
            return ""
        network = ipaddress.IPv6Network(prefix, strict=False)
        address = self._address("ipv6", "allocate_ipv6", {str(network[1])})
        if ipaddress.IPv6Address(address) in network:
            return address
        raise HelperError(f"no free IPv6 address in {prefix}: destroy a VM")

    def _exhausted(self) -> HelperError:
        pool = self._db.api.ip_pool
        return HelperError(
            f"no free address in {pool['network']} from .{pool['start']} to .{pool['end']}:"
            " destroy a VM, or widen ip_pool in db.yaml"
        )
