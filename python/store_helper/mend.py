"""Puts into a database what others have undone. Pure: works on the two contents only."""

import copy

from ledger import Ledger

POOLS = (("allocated_ips", "ip", "ip_address"), ("allocated_ipv6", "ipv6", "ipv6_address"))


STATUSES = ("active", "suspended", "destroyed")


def adopt(database: dict, ledger: Ledger) -> None:
    """What the database knows better: engines change records, and a killed command may have, too."""
    for name, entry in ledger.vms.items():
        record = database["vms"].get(name)
        if not isinstance(record, dict) or record.get("vmid") != entry["vmid"]:
            continue
        status = record.get("status")
        if status in STATUSES and (entry["state"] == "reserved" or entry.get("moving")):
            entry["state"] = status
        if status == entry["state"]:
            entry["record"] = copy.deepcopy(record)
    for entry in ledger.vms.values():
        entry.pop("moving", None)


def mend(database: dict, ledger: Ledger) -> None:
    vms = database.setdefault("vms", {})
    for name, entry in ledger.vms.items():
        record = vms.get(name)
        if entry["state"] == "reserved":
            # A record of an earlier VM of that name, deleted before the name was given again.
            if record is not None:
                del vms[name]
        elif not isinstance(record, dict) or record.get("vmid") != entry["vmid"]:
            vms[name] = copy.deepcopy(entry["record"])
        elif record.get("status") != entry["state"]:
            for key in ("status", "suspended_at", "destroyed_at"):
                record.pop(key, None)
                if key in entry["record"]:
                    record[key] = entry["record"][key]
    # Others' records may be anything.
    records = {name: record for name, record in vms.items() if isinstance(record, dict)}
    for pool, kind, field in POOLS:
        owned = ledger.owned(kind)
        for name, record in records.items():
            if name not in ledger.vms and record.get("status") != "destroyed" and record.get(field):
                owned.add(record[field])
        taken = database.setdefault(pool, [])
        before = None if ledger.pending is None else set(ledger.pending[kind])
        kept = [
            address
            for address in dict.fromkeys(taken)
            if address in owned
            or (address not in ledger.given[kind] and (before is None or address in before))
        ]
        database[pool] = kept + sorted(owned.difference(kept))
    database["next_vmid"] = max(
        database.get("next_vmid", 0),
        ledger.next_vmid,
        *(record["vmid"] + 1 for record in records.values() if isinstance(record.get("vmid"), int)),
        0,
    )
