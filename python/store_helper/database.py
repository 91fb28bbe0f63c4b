"""blockhost.vm_db, made patient: the file may be torn while a writer without manners is at it."""

import copy
import json
import os
import time
from pathlib import Path

from blockhost.vm_db import get_database

from config_files import read_json, read_yaml
from errors import HelperError
from files import PATIENCE, patiently
from ledger import Ledger
from mend import adopt, mend

LEDGER = "qemu-ledger.json"
# A writer without manners is back after hundredths of a second at the soonest.
MENDS = 8


class Database:
    def __init__(self, config_dir: str):
        config = Path(config_dir)
        self._config = config
        self.api = self._open()
        self.file = Path(self.api.db_file)
        self.ledger = Ledger(self.file.with_name(LEDGER))

    def _open(self):
        settings = self._config / "db.yaml"
        try:
            return get_database(config_path=str(settings), fallback_dir=self._config)
        except Exception:
            # It does not say which of its files it could not read.
            read_yaml(settings)
            read_json(self._config / "broker-allocation.json")
            raise

    def read(self, patience: float = PATIENCE) -> dict:
        return patiently(lambda: json.loads(self.file.read_text()), patience)

    def call(self, method: str, *args, **kwargs):
        """One method of BlockHost's. It reads before it writes, so a torn file leaves all as it was."""
        return patiently(lambda: getattr(self.api, method)(*args, **kwargs))

    def change(self, method: str, *args, **kwargs):
        """
        One that changes a record, under the ledger's lock. When a foreign writer has put an old copy in its way
        since we looked, the database is mended and asked again.
        """
        for left in reversed(range(MENDS)):
            try:
                return getattr(self.api, method)(*args, **kwargs)
            except ValueError:
                if left == 0:
                    raise
            self.reconcile()

    def reconcile(self) -> dict:
        """Under the ledger's lock: mends what others have undone. @returns the database as it is then."""
        ledger = self.ledger
        try:
            database = self.read()
        except ValueError:
            database = self._replace_damaged()
        if not isinstance(database.get("vms"), dict):
            raise HelperError(f"{self.file} is damaged: it holds no object vms")
        before = copy.deepcopy(ledger.__dict__)
        adopt(database, ledger)
        mended = copy.deepcopy(database)
        mend(mended, ledger)
        if mended != database:
            # The only writer with the lock and the rename that the other programs expect is theirs.
            self.call("_atomic_update", lambda current: mend(current, ledger))
        ledger.pending = None
        ledger.next_vmid = mended["next_vmid"]
        if ledger.__dict__ != before:
            ledger.save()
        return mended

    def _replace_damaged(self) -> dict:
        """A writer was killed while the file was empty: nobody can work before there is one again."""
        if not self.ledger.vms:
            raise HelperError(f"{self.file} is damaged: it is not valid JSON")
        aside = self.file.with_name(f"{self.file.name}.damaged-{int(time.time())}")
        os.rename(self.file, aside)
        self.api = self._open()
        return self.read()
