"""Stand-in for the installer's finalization: steps in order, those that are completed are not done again."""

import json
import threading
from pathlib import Path


class Finalization:
    def __init__(self, file):
        self.file = Path(file)
        self.state = json.loads(self.file.read_text()) if self.file.exists() else {"config": {}, "steps": {}}
        self._thread = threading.Thread(target=self._run, daemon=True)

    def begin(self, config):
        self.state["config"].update(config)
        self._thread.start()

    def going_on(self):
        return self._thread.is_alive()

    def _run(self):
        from blockhost.provisioner_qemu import wizard

        config = self.state["config"]
        for name, _label, work, *_hint in wizard.get_finalization_steps():
            if self.state["steps"].get(name, {}).get("status") == "completed":
                continue
            self._note(name, status="running")
            done, error = work(config)
            data = config.pop(f"_step_result_{name}", None)
            self._note(name, status="completed" if done else "failed", data=data, error=error)
            if not done:
                return

    def _note(self, name, **what):
        """What a step found out has to survive a reboot: all of it is JSON."""
        self.state["steps"][name] = what
        self.file.write_text(json.dumps(self.state))
