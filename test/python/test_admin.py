"""The admin page, with commands of a made-up host in PATH."""

import json
import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import host  # noqa: F401 - sets the path to the modules
from admin_app import create_app

from blockhost.provisioner_qemu import cards, commands, files, sparkline

EVIL = '<img src=x onerror="alert(1)"></pre><script>alert(2)</script>'


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.calls = self.folder / "calls"
        for patch in (
            mock.patch.dict(os.environ, {"PATH": f"{self.folder}:/usr/bin:/bin"}),
            mock.patch.object(files, "VMS", self.folder / "vms"),
        ):
            patch.start()
            self.addCleanup(patch.stop)
        for verb in commands.ACTIONS:
            self.command(f"blockhost-vm-{verb}", f'echo "{verb} $*" >>{self.calls}')
        self.vms({"name": "web1", "status": "active", "ip": "192.0.2.10", "created": "2026-01-02"})
        self.client = create_app("/panel").test_client()

    def command(self, name, body):
        file = self.folder / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def prints(self, name, value):
        data = self.folder / f"{name}.json"
        data.write_text(value if isinstance(value, str) else json.dumps(value))
        self.command(name, f"cat {data}")

    def vms(self, *entries):
        self.prints("blockhost-vm-list", list(entries))

    def file(self, name, file, content):
        directory = self.folder / "vms" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / file).write_text(content)

    def test_shows_a_vm_with_its_charts_limits_and_console(self):
        self.prints(
            "blockhost-vm-metrics",
            {"cpu_percent": 12.4, "cpu_count": 2, "memory_used_mb": 300, "memory_total_mb": 1024,
             "guest_agent_responsive": True, "uptime_seconds": 90_000, "net_rx_bytes_sec": 1000,
             "net_tx_bytes_sec": 500, "disk_read_bytes_sec": 0, "disk_write_bytes_sec": 0},
        )
        points = [{"time": "t", "cpu_percent": i, "memory_used_mb": 300} for i in range(10)]
        self.prints("blockhost-qemu", {"fine": {"every_seconds": 2, "points": points}})
        self.file("web1", "vm.json", json.dumps({"limits": {"cpu_quota": 50, "iops": {"read": 100}}}))
        self.file("web1", "console.log", "booting\x1b[31m red\x1b[0m\nlogin: ")
        page = self.client.get("/qemu").text
        for text in ("web1", "agent answers", "up 1 d 1 h", "12 %", "300 of 1024 MB", "1.5 kB/s",
                     "limit: cpu quota 50", "limit: iops read 100", "booting red", '<path d="M0.0',
                     'action="/panel/api/qemu/vms/web1/stop"'):
            self.assertIn(text, page)
        self.assertNotIn("vms/web1/start", page)
        self.assertNotIn("\x1b", page)

    def test_without_sampler_metrics_and_files_it_still_shows_the_vm(self):
        for name in ("blockhost-qemu", "blockhost-vm-metrics"):
            self.command(name, "echo broken; exit 1")
        page = self.client.get("/qemu")
        self.assertEqual(page.status_code, 200)
        self.assertIn("agent silent", page.text)
        self.command("blockhost-vm-list", "exit 1")
        self.assertIn("There are no VMs", self.client.get("/qemu").text)

    def test_odd_answers_change_nothing(self):
        for answer in ("", "[]", '"x"', "{}", '{"fine": 3}', '{"fine": {"points": [1, {"cpu_percent": "x"}]}}',
                       '{"cpu_percent": 1e999, "uptime_seconds": true}', "[" * 2000):
            self.prints("blockhost-vm-metrics", answer)
            self.prints("blockhost-qemu", answer)
            self.assertEqual(self.client.get("/qemu").status_code, 200, answer)

    def test_whatever_a_guest_says_is_text(self):
        self.vms({"name": "web1", "status": "active", "ip": EVIL, "created": EVIL},
                 {"name": EVIL, "status": "active"}, {"name": "web2", "status": EVIL}, "text", 5)
        self.prints("blockhost-vm-metrics", {"guest_agent_responsive": EVIL, "cpu_percent": EVIL})
        self.prints("blockhost-qemu", {"fine": {"points": [{"cpu_percent": EVIL}] * 3}})
        self.file("web1", "console.log", EVIL)
        self.file("web1", "vm.json", json.dumps({"limits": {EVIL: EVIL}}))
        page = self.client.get("/qemu").text
        self.assertNotIn("<img", page)
        self.assertNotIn("<script>alert", page)
        self.assertEqual(page.count("data-vm="), 2)

    def test_buttons_run_the_verb_of_the_contract(self):
        for verb in ("start", "stop", "kill"):
            answer = self.client.post(f"/api/qemu/vms/web1/{verb}")
            self.assertEqual((answer.status_code, answer.location), (303, "/panel/qemu"))
        self.assertEqual(self.calls.read_text(), "start web1\nstop web1\nkill web1\n")
        self.assertIn("kill of web1: done", self.client.get("/qemu").text)

    def test_pages_of_other_hosts_press_no_button(self):
        for site, code in (("same-site", 403), ("cross-site", 403), ("same-origin", 303), ("none", 303)):
            answer = self.client.post("/api/qemu/vms/web1/stop", headers={"Sec-Fetch-Site": site})
            self.assertEqual(answer.status_code, code, site)

    def test_nor_do_they_where_browsers_tell_the_origin_only(self):
        for host_, origin, code in (
            ("panel.example:8080", "http://panel.example:8080", 303),
            ("panel.example", "http://Panel.example:8080", 303),
            ("[2001:db8::1]:80", "http://[2001:db8::1]", 303),
            ("panel.example", "http://vm7.panel.example", 403),
            ("panel.example", "null", 403),
            ("panel.example", "http://[", 403),
            ("192.0.2.1", "http://192.0.2.10", 403),
        ):
            headers = {"Host": host_, "Origin": origin}
            answer = self.client.post("/api/qemu/vms/web1/stop", headers=headers)
            self.assertEqual(answer.status_code, code, headers)

    def test_a_page_number_may_be_anything(self):
        for number in ("1" * 5000, "²", "-1", ""):
            self.assertEqual(self.client.get("/qemu", query_string={"page": number}).status_code, 200)

    def test_destroying_needs_its_confirmation(self):
        self.client.post("/api/qemu/vms/web1/destroy", data={"confirm": "web2"})
        self.assertFalse(self.calls.exists())
        self.client.post("/api/qemu/vms/web1/destroy", data={"confirm": "web1"})
        self.assertEqual(self.calls.read_text(), "destroy web1\n")

    def test_a_verb_that_fails_is_told(self):
        self.command("blockhost-vm-stop", f"echo '{EVIL}' >&2; exit 1")
        self.client.post("/api/qemu/vms/web1/stop")
        page = self.client.get("/qemu").text
        self.assertIn("&lt;script&gt;", page)
        self.assertNotIn("<script>alert", page)

    def test_other_verbs_and_names_do_not_exist(self):
        for path in ("web1/create", "web1/guest-exec", "--help/stop", "..%2fetc/stop", "a%0ab/stop", f"{'a' * 65}/stop"):
            self.assertEqual(self.client.post(f"/api/qemu/vms/{path}").status_code, 404, path)
        self.assertEqual(self.client.get("/api/qemu/vms/web1/stop").status_code, 405)
        self.assertFalse(self.calls.exists())

    def test_many_vms_come_in_pages(self):
        self.vms(*({"name": f"vm{i:03}", "status": "suspended"} for i in range(30)))
        self.assertEqual(self.client.get("/qemu").text.count("data-vm="), cards.PAGE_SIZE)
        last = self.client.get("/qemu?page=3").text
        self.assertEqual(last.count("data-vm="), 30 - 2 * cards.PAGE_SIZE)
        self.assertIn("3 of 3, 30 VMs", last)
        for odd in ("0", "-1", "99999999", "x", "²", ""):
            self.assertEqual(self.client.get("/qemu", query_string={"page": odd}).status_code, 200)

    def test_a_console_that_is_no_file_is_none(self):
        secret = self.folder / "secret"
        secret.write_text("secret")
        (self.folder / "vms" / "web1").mkdir(parents=True)
        (self.folder / "vms" / "web1" / "console.log").symlink_to(secret)
        self.assertEqual(files.console_tail("web1"), "")
        (self.folder / "vms" / "web1" / "console.log").unlink()
        os.mkfifo(self.folder / "vms" / "web1" / "console.log")
        self.assertEqual(files.console_tail("web1"), "")


class Sparkline(unittest.TestCase):
    def test_is_a_path_within_its_box(self):
        self.assertEqual(sparkline.path([0, 50, 100], 100), "M0.0 39.0L120.0 20.0L240.0 1.0")
        self.assertEqual(sparkline.path([1, None, 1, 1], 1), "M0.0 1.0M160.0 1.0L240.0 1.0")
        self.assertEqual(sparkline.path([]), "")
        self.assertEqual(sparkline.path([None, 1]), "")
        self.assertEqual(sparkline.path([0, 0]), "M0.0 39.0L240.0 39.0")

    def test_only_finite_numbers_are_numbers(self):
        for odd in ("1", None, True, float("nan"), float("inf"), [1], {}):
            self.assertIsNone(sparkline.number(odd))


if __name__ == "__main__":
    unittest.main()
