"""The operations of the store, each whole or not at all, also when its process is killed in between."""

from datetime import datetime, timezone

from database import Database
from errors import BadInput, NotFound
from moments import days_until, later_of
from allocation import Numbers


# Without them nobody can tell which VM a record is of.
NEEDED = ("status", "vmid")


class Records:
    def __init__(self, config_dir: str):
        self._db = Database(config_dir)
        self._numbers = Numbers(self._db)

    def operations(self) -> dict:
        return {
            "settings": self.settings,
            "get": self.get,
            "list": self.all,
            "preview": self._numbers.preview,
            "allocate": self.allocate,
            "release": self.release,
            "reserved": self.reserved,
            "register": self.register,
            "suspend": self.suspend,
            "activate": self.activate,
            "remove": self.remove,
            "update": self.update,
        }

    def settings(self) -> dict:
        """What db.yaml says; addresses as the database itself understands them."""
        api = self._db.api
        return {**api.config, "ip_pool": api.ip_pool, "ipv6_prefix": api.ipv6_prefix or ""}

    def get(self, name: str) -> dict | None:
        return self._whole()["vms"].get(name)

    def all(self) -> list[dict]:
        return list(self._whole()["vms"].values())

    def _whole(self) -> dict:
        """Reading takes no lock unless a record of ours is not as we left it, or the file is torn."""
        try:
            database = self._db.read(patience=0.2)
            ledger = self._db.ledger.load()
            if all(agrees(database["vms"].get(name), e) for name, e in ledger.vms.items()):
                return database
        except ValueError:
            pass
        with self._locked() as database:
            return database

    def allocate(self, name: str, pool: bool, avoid: list[str]) -> dict:
        with self._locked() as database:
            ledger = self._db.ledger
            record = database["vms"].get(name)
            if isinstance(record, dict) and record.get("status") != "destroyed":
                raise BadInput(f"VM {name} exists already")
            if name in ledger.vms:
                if ledger.vms[name]["state"] == "reserved":
                    self._release(name)
                ledger.vms.pop(name, None)
            self._note_pending(database)
            if record is not None:
                # Frees its addresses once more, whoever has them by now: reconciling puts that right.
                self._db.change("delete_vm", name)
                database = self._db.reconcile()
                self._note_pending(database)
            taken = self._numbers.take(database, pool, avoid)
            ledger.vms[name] = {"state": "reserved", **taken, "record": None}
            ledger.give("ip", taken["ip"])
            ledger.give("ipv6", taken["ipv6"])
            ledger.next_vmid = taken["vmid"] + 1
            ledger.pending = None
            ledger.save()
            return taken

    def _note_pending(self, database: dict) -> None:
        """What is taken from here on, and nobody owns in the end, is freed by the next turn."""
        ledger = self._db.ledger
        ledger.pending = {"ip": list(database["allocated_ips"]), "ipv6": list(database["allocated_ipv6"])}
        ledger.save()

    def reserved(self) -> list[str]:
        with self._locked():
            vms = self._db.ledger.vms
            return sorted(name for name, entry in vms.items() if entry["state"] == "reserved")

    def release(self, name: str) -> None:
        with self._locked():
            if self._db.ledger.vms.get(name, {}).get("state") == "reserved":
                self._release(name)

    def _release(self, name: str) -> None:
        entry = self._db.ledger.vms.pop(name)
        self._db.ledger.save()
        for kind, free in (("ip", "release_ip"), ("ipv6", "release_ipv6")):
            if entry[kind] and entry[kind] not in self._db.ledger.owned(kind):
                self._db.call(free, entry[kind])

    def register(self, record: dict) -> None:
        name = record["vm_name"]
        with self._locked() as database:
            known = database["vms"].get(name)
            if known is not None:
                raise BadInput(f"VM {name} exists already")
            made = self._db.change(
                "register_vm",
                name=name,
                vmid=record["vmid"],
                ip=record["ip_address"],
                ipv6=record["ipv6_address"],
                owner=record["owner"],
                expiry_days=days_until(record["expires_at"]),
                purpose=record["purpose"],
                wallet_address=record["wallet_address"],
                username=record["username"],
                network_mode=record["network_mode"],
            )
            entry = self._db.ledger.vms.setdefault(name, {"vmid": record["vmid"]})
            entry.update(ip=record["ip_address"], ipv6=record["ipv6_address"], record=made)
            self._settle(name, "active")

    def suspend(self, name: str) -> None:
        with self._locked() as database:
            if self._status(database, name) == "suspended":
                return
            if self._status(database, name) == "destroyed":
                raise BadInput(f"VM {name} is destroyed")
            self._move(database, name)
            self._db.change("mark_suspended", name)
            self._settle(name, "suspended")

    def activate(self, name: str, expires_at: str | None) -> None:
        with self._locked() as database:
            if self._status(database, name) == "destroyed":
                raise BadInput(f"VM {name} is destroyed")
            expiry = later_of(database["vms"][name].get("expires_at"), expires_at)
            self._move(database, name)
            self._db.change("mark_active", name, expiry)
            self._settle(name, "active")

    def remove(self, name: str) -> None:
        with self._locked() as database:
            # A second mark_destroyed would free addresses that another VM may have by now.
            record = database["vms"].get(name)
            if not isinstance(record, dict) or record.get("status", "destroyed") == "destroyed":
                return
            self._move(database, name)
            self._db.change("mark_destroyed", name)
            self._settle(name, "destroyed")

    def update(self, name: str, fields: dict) -> None:
        with self._locked() as database:
            self._status(database, name)
            self._db.change("update_fields", name, fields)

    def _locked(self):
        return Turn(self._db)

    def _status(self, database: dict, name: str) -> str:
        record = database["vms"].get(name)
        if record is None:
            raise NotFound(f"VM {name} has no record")
        damaged = [key for key in NEEDED if not isinstance(record, dict) or record.get(key) is None]
        if damaged:
            raise BadInput(f"the record of VM {name} is damaged: {damaged[0]} is missing")
        return record["status"]

    def _move(self, database: dict, name: str) -> None:
        """Before the record changes: killed in between, whatever the database says then counts."""
        state = self._status(database, name)
        record = database["vms"][name]
        entry = self._db.ledger.vms.setdefault(name, {"record": record})
        entry.update(state=state, vmid=record["vmid"], moving=True)
        entry.update(ip=record.get("ip_address") or "", ipv6=record.get("ipv6_address") or "")
        self._db.ledger.save()

    def _settle(self, name: str, state: str) -> None:
        """The change is made; if a foreign writer has undone it meanwhile, it is made again."""
        entry = self._db.ledger.vms[name]
        record = self._db.read()["vms"].get(name)
        if record is not None and record.get("vmid") == entry["vmid"] and record["status"] == state:
            entry["record"] = record
        else:
            now = datetime.now(timezone.utc).isoformat()
            stamp = {"suspended": {"suspended_at": now}, "destroyed": {"destroyed_at": now}}
            kept = {k: v for k, v in entry["record"].items() if not k.startswith("suspended")}
            entry["record"] = {**kept, "status": state, **stamp.get(state, {})}
        entry["state"] = state
        entry.pop("moving", None)
        self._db.ledger.give("ip", entry["ip"])
        self._db.ledger.give("ipv6", entry["ipv6"])
        self._db.ledger.save()
        self._db.reconcile()


class Turn:
    """Our commands take turns, and each begins with a database that is whole."""

    def __init__(self, db: Database):
        self._db = db
        self._lock = db.ledger.locked()

    def __enter__(self) -> dict:
        self._lock.__enter__()
        try:
            self._db.ledger.load()
            return self._db.reconcile()
        except BaseException as error:
            self._lock.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(self, *error) -> None:
        self._lock.__exit__(*error)


def agrees(record: dict | None, entry: dict) -> bool:
    if entry["state"] == "reserved":
        return record is None
    if not isinstance(record, dict):
        return False
    return (record.get("vmid"), record.get("status")) == (entry["vmid"], entry["state"])
