"""The database as the provisioner contract describes it: one JSON file, a lock file beside it, rename."""

import fcntl
import ipaddress
import json
import os
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import yaml

RESERVED = set(
    "vm_name vmid status created_at expires_at suspended_at destroyed_at ip_address ipv6_address "
    "nft_token_id nft_minted nft_minted_at network_mode".split()
)


def get_database(use_mock=False, config_path=None, fallback_dir=None):
    assert not use_mock
    return VMDatabase(Path(config_path or "/etc/blockhost/db.yaml"), fallback_dir)


def last_octet(value):
    return int(str(value).rsplit(".", 1)[-1])


def now():
    return datetime.now(timezone.utc)


class VMDatabase:
    def __init__(self, config_path, fallback_dir):
        self.config = yaml.safe_load(config_path.read_text())
        pool = dict(self.config["ip_pool"])
        pool.update({key: last_octet(pool[key]) for key in ("start", "end")})
        self.ip_pool = pool
        self.vmid_range = self.config.get("vmid_range") or self.config.get("vmid_pool")
        self.ipv6_pool = self.config.get("ipv6_pool", {})
        broker = Path(fallback_dir) / "broker-allocation.json" if fallback_dir else None
        known = broker is not None and broker.exists()
        self.ipv6_prefix = json.loads(broker.read_text())["prefix"] if known else None
        self.db_file = Path(self.config.get("db_file", "/var/lib/blockhost/vms.json"))
        if not self.db_file.exists():
            first = self.vmid_range["start"] if self.vmid_range else 0
            self._replace({"vms": {}, "next_vmid": first, "allocated_ips": [], "allocated_ipv6": []})

    def _atomic_update(self, mutator):
        with open(f"{self.db_file}.lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            database = json.loads(self.db_file.read_text())
            mutator(database)
            self._replace(database)
            return database

    def _replace(self, database):
        fd, name = tempfile.mkstemp(dir=self.db_file.parent, suffix=".tmp")
        with os.fdopen(fd, "w") as out:
            json.dump(database, out, indent=2)
        os.rename(name, self.db_file)

    def _read(self):
        with open(self.db_file) as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return json.load(file)

    def _change(self, name, edit):
        def mutator(database):
            if name not in database["vms"]:
                raise ValueError(f"there is no VM {name}")
            edit(database, database["vms"][name])

        self._atomic_update(mutator)

    def get_vm(self, name):
        return self._read()["vms"].get(name)

    def list_vms(self, status=None):
        vms = self._read()["vms"].values()
        return [vm for vm in vms if status is None or vm["status"] == status]

    def _take(self, pool, candidates):
        taken = []

        def mutator(database):
            free = [address for address in candidates if address not in database.setdefault(pool, [])]
            taken.extend(free[:1])
            database[pool].extend(taken)

        self._atomic_update(mutator)
        return taken[0] if taken else None

    def allocate_ip(self):
        prefix = ".".join(self.ip_pool["network"].split(".")[:3])
        hosts = range(self.ip_pool["start"], self.ip_pool["end"] + 1)
        return self._take("allocated_ips", [f"{prefix}.{host}" for host in hosts])

    def allocate_ipv6(self):
        if not self.ipv6_prefix:
            return None
        base = ipaddress.IPv6Network(self.ipv6_prefix, strict=False).network_address
        hosts = range(self.ipv6_pool.get("start", 2), self.ipv6_pool.get("end", 254) + 1)
        return self._take("allocated_ipv6", [str(base + host) for host in hosts])

    def allocate_vmid(self):
        if not self.vmid_range:
            raise RuntimeError("db.yaml has no vmid_range")

        def mutator(database):
            if database["next_vmid"] > self.vmid_range["end"]:
                raise ValueError("no VM id is left")
            database["next_vmid"] += 1

        return self._atomic_update(mutator)["next_vmid"] - 1

    def _free(self, pool, address):
        self._atomic_update(lambda database: drop(database[pool], address))

    def release_ip(self, ip):
        self._free("allocated_ips", ip)

    def release_ipv6(self, ipv6):
        self._free("allocated_ipv6", ipv6)

    def register_vm(
        self, name, vmid, ip, ipv6=None, owner="", expiry_days=30, purpose="",
        wallet_address=None, username=None, network_mode=None,
    ):  # fmt: skip
        if not network_mode or not network_mode.strip():
            raise ValueError("network_mode is blank")
        begin = now()
        vm = {
            "vm_name": name,
            "vmid": vmid,
            "ip_address": ip,
            "ipv6_address": ipv6,
            "expires_at": (begin + timedelta(days=expiry_days)).isoformat(),
            "owner": owner,
            "status": "active",
            "created_at": begin.isoformat(),
            "purpose": purpose,
            "wallet_address": wallet_address,
            "username": username,
            "network_mode": network_mode,
        }

        def mutator(database):
            if name in database["vms"]:
                raise ValueError(f"VM {name} exists")
            database["vms"][name] = vm
            for pool, address in (("allocated_ips", ip), ("allocated_ipv6", ipv6)):
                if address and address not in database[pool]:
                    database[pool].append(address)
            database["next_vmid"] = max(database["next_vmid"], vmid + 1)

        self._atomic_update(mutator)
        return vm

    def mark_suspended(self, name):
        stamp = {"status": "suspended", "suspended_at": now().isoformat()}
        self._change(name, lambda _, vm: vm.update(stamp))

    def mark_active(self, name, new_expiry=None):
        def edit(_, vm):
            vm["status"] = "active"
            vm.pop("suspended_at", None)
            if new_expiry is not None:
                vm["expires_at"] = new_expiry.isoformat()

        self._change(name, edit)

    def mark_destroyed(self, name):
        def edit(database, vm):
            vm.update({"status": "destroyed", "destroyed_at": now().isoformat()})
            drop_addresses(database, vm)

        self._change(name, edit)

    def delete_vm(self, name):
        def edit(database, vm):
            drop_addresses(database, vm)
            del database["vms"][name]

        self._change(name, edit)

    def extend_expiry(self, name, days):
        def edit(_, vm):
            until = datetime.fromisoformat(vm["expires_at"]) + timedelta(days=days)
            vm["expires_at"] = until.isoformat()

        self._change(name, edit)

    def update_fields(self, vm_name, fields):
        reserved = RESERVED.intersection(fields)
        if reserved:
            raise ValueError(f"not to be changed: {reserved}")
        self._change(vm_name, lambda _, vm: vm.update(fields))
        return True


def drop(pool, address):
    if address in pool:
        pool.remove(address)


def drop_addresses(database, vm):
    """Also of a VM that was destroyed before: whoever calls it twice frees what another VM has by then."""
    drop(database["allocated_ips"], vm.get("ip_address"))
    drop(database["allocated_ipv6"], vm.get("ipv6_address"))
