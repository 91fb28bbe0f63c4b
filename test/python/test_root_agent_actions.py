"""The door of the root agent, with a program in place of the real one."""

import importlib.util
import json
import os
import stat
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).parents[2]


def load():
    file = ROOT / "python/root-agent-actions/qemu.py"
    spec = importlib.util.spec_from_file_location("root_agent_actions.qemu", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Door(unittest.TestCase):
    def setUp(self):
        self.door = load()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def program(self, body):
        file = self.folder / "program"
        file.write_text("#!/usr/bin/python3\n" + textwrap.dedent(body))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        self.door.PROGRAM = str(file)

    def call(self, action, params):
        return self.door.ACTIONS[action](params)

    def test_names_what_the_root_side_answers(self):
        self.assertEqual(
            sorted(self.door.ACTIONS),
            [
                "qemu-host-care",
                "qemu-template-publish",
                "qemu-vm-create",
                "qemu-vm-limits",
                "qemu-vm-remove",
                "qemu-vm-settle",
                "qemu-vm-start",
                "qemu-vm-stop",
            ],
        )

    def test_passes_parameters_on_stdin_and_gives_the_reply(self):
        self.program(
            """
            import json, os, sys
            result = {"argv": sys.argv[1:], "params": json.load(sys.stdin), "env": sorted(os.environ)}
            print("a word before")
            print(json.dumps({"ok": True, "result": result}))
            """
        )
        os.environ["BLOCKHOST_QEMU_CONFIG"] = "/tmp/evil"
        self.addCleanup(os.environ.pop, "BLOCKHOST_QEMU_CONFIG")
        hostile = {"name": "web1", "user_data": "'; rm -rf / #\n$(id)"}
        reply = self.call("qemu-vm-create", hostile)
        self.assertEqual(reply["result"]["argv"], ["root", "vm-create"])
        self.assertEqual(reply["result"]["params"], hostile)
        self.assertNotIn("BLOCKHOST_QEMU_CONFIG", reply["result"]["env"])

    def test_a_refusal_is_the_reply(self):
        self.program("print('{\"ok\": false, \"error\": \"no\"}'); raise SystemExit(1)")
        self.assertEqual(self.call("qemu-vm-stop", {"name": "a"}), {"ok": False, "error": "no"})

    def test_a_program_that_fails_is_said_in_a_line(self):
        self.program("import sys; sys.stderr.write('first\\nthe last\\n'); sys.exit(3)")
        reply = self.call("qemu-vm-start", {"name": "a"})
        self.assertEqual(reply, {"ok": False, "error": "qemu-vm-start: the last"})
        self.program("print('[1]')")
        self.assertFalse(self.call("qemu-vm-start", {"name": "a"})["ok"])

    def test_bad_parameters_never_reach_the_program(self):
        mark = self.folder / "mark"
        self.program(f"open({str(mark)!r}, 'w'); print('{{\"ok\": true}}')")
        for params in (
            None,
            [],
            "name",
            {"name": "../../etc"},
            {"name": "a\n"},
            {"name": ""},
            {"name": 7},
            {"name": "a" * 65},
            {"user_data": "x" * (self.door.MAX_PARAMS + 1)},
        ):
            with self.assertRaises(ValueError):
                self.call("qemu-vm-remove", params)
        self.assertFalse(mark.exists())

    def test_a_program_that_hangs_is_ended(self):
        self.door.TIME_LIMIT = 0.3
        self.program("import time; time.sleep(60)")
        began = time.monotonic()
        reply = self.call("qemu-vm-start", {"name": "a"})
        self.assertEqual((reply["ok"], reply["kind"]), (False, "lost"))
        self.assertIn("took longer", reply["error"])
        self.assertLess(time.monotonic() - began, 20)

    def test_the_limit_leaves_others_their_turn(self):
        self.assertLess(self.door.TIME_LIMIT, 10)


if __name__ == "__main__":
    unittest.main()
