"""What this provisioner has given and done, in a file of its own beside the database.

Other programs rewrite the database from an old copy, without its lock: what we wrote is then undone. The
ledger is what such damage is mended from, and the only place that says who owns an address.
"""

import json
from pathlib import Path

from files import locked, write_json

# Addresses and the record are the VM's. `moving`: its record is being changed, so the database knows better.
#   {"state": "reserved" | "active" | "suspended" | "destroyed", "vmid", "ip", "ipv6", "record", "moving"}
Entry = dict

OWNING = ("reserved", "active", "suspended")


class Ledger:
    def __init__(self, file: Path):
        self._file = file
        self._lock = file.with_name(f"{file.name}.lock")
        self.vms: dict[str, Entry] = {}
        # Every address ever given: one that nobody owns now is free, whatever the database says.
        self.given: dict[str, list[str]] = {"ip": [], "ipv6": []}
        self.next_vmid = 0
        # What was taken before an allocation began; what came on top belongs to nobody if it never ended.
        self.pending: dict | None = None

    def locked(self):
        return locked(self._lock)

    def load(self) -> "Ledger":
        try:
            content = json.loads(self._file.read_text())
        except FileNotFoundError:
            return self
        self.vms = content["vms"]
        self.given = content["given"]
        self.next_vmid = content["next_vmid"]
        self.pending = content["pending"]
        return self

    def save(self) -> None:
        write_json(
            self._file,
            {
                "vms": self.vms,
                "given": self.given,
                "next_vmid": self.next_vmid,
                "pending": self.pending,
            },
        )

    def owned(self, kind: str) -> set[str]:
        return {e[kind] for e in self.vms.values() if e["state"] in OWNING and e[kind]}

    def give(self, kind: str, address: str) -> None:
        if address and address not in self.given[kind]:
            self.given[kind].append(address)
