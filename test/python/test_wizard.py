"""The wizard's page and steps, in a host application."""

import hashlib
import json
import os
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import host
import yaml
from installer_app import create_app
from test_form import GOOD

from blockhost.provisioner_qemu import db_yaml, detect, places, storage, template_build, wizard

ROOT = Path(__file__).resolve().parents[2]


class Page(unittest.TestCase):
    def setUp(self):
        host.on_host(self)
        self.client = create_app().test_client()

    def log_in(self):
        with self.client.session_transaction() as session:
            session["authenticated"] = True

    def test_strangers_are_sent_to_the_login(self):
        for method, path in (("get", "/wizard/qemu"), ("post", "/wizard/qemu"), ("get", "/wizard/qemu/progress")):
            answer = getattr(self.client, method)(path, data=GOOD if method == "post" else None)
            self.assertEqual((answer.status_code, answer.location), (302, "/login"), path)
        with self.client.session_transaction() as session:
            self.assertNotIn("qemu", session)

    def test_shows_what_was_found(self):
        self.log_in()
        page = self.client.get("/wizard/qemu").text
        for text in ('value="br0"', 'value="192.168.7.0/24"', "KVM", 'href="/wizard/network"'):
            self.assertIn(text, page)
        self.assertNotIn("ten times slower", page)
        host.on_host(self, kvm=False)
        self.assertIn("ten times slower", self.client.get("/wizard/qemu").text)

    def test_good_input_goes_to_the_session_and_on(self):
        self.log_in()
        answer = self.client.post("/wizard/qemu", data={**GOOD, "unknown": "x"})
        self.assertEqual((answer.status_code, answer.location), (302, "/wizard/connectivity"))
        with self.client.session_transaction() as session:
            self.assertEqual(session["qemu"]["ip_start"], 100)
            self.assertNotIn("unknown", session["qemu"])
        self.assertIn('value="/srv/vms"', self.client.get("/wizard/qemu").text)

    def test_what_continuous_integration_posts_is_enough(self):
        self.log_in()
        answer = self.client.post("/wizard/qemu", data={"gc_grace_days": "7"})
        self.assertEqual(answer.status_code, 302)

    def test_bad_input_is_kept_escaped_and_told(self):
        self.log_in()
        evil = '"><script>alert(1)</script>'
        answer = self.client.post("/wizard/qemu", data={**GOOD, "bridge": evil, "ip_end": evil})
        self.assertEqual(answer.status_code, 400)
        self.assertNotIn("<script>alert", answer.text)
        self.assertIn("&lt;script&gt;alert(1)&lt;/script&gt;", answer.text)
        self.assertIn("Some settings need another look", answer.text)
        with self.client.session_transaction() as session:
            self.assertNotIn("qemu", session)

    def test_summary_is_drawn_also_from_odd_sessions(self):
        self.log_in()
        for kept in ({}, None, {"bridge": "<i>x</i>"}, "text", {**GOOD}):
            with self.client.session_transaction() as session:
                session["qemu"] = kept
            page = self.client.get("/summary")
            self.assertEqual(page.status_code, 200)
            self.assertNotIn("<i>x</i>", page.text)

    def test_exports_what_the_installer_calls(self):
        self.assertEqual(wizard.blueprint.name, "provisioner_qemu")
        self.assertTrue(callable(wizard.wizard_qemu))
        steps = wizard.get_finalization_steps()
        self.assertEqual([step[0] for step in steps], ["storage", "network", "db_config", "template"])
        self.assertTrue(all(callable(step[2]) for step in steps))
        self.assertIsInstance(wizard.get_ui_params({}), dict)


class Steps(unittest.TestCase):
    def setUp(self):
        host.on_host(self)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.steps = {step[0]: step[2] for step in wizard.get_finalization_steps()}
        for module, name, value in (
            (db_yaml, "CONFIG_DIR", self.folder / "etc"),
            (storage, "DEFAULT_STORAGE", str(self.folder / "state")),
            (storage, "UNIT", self.folder / "unit"),
            (template_build, "PACKAGES", self.folder / "packages"),
        ):
            patch = mock.patch.object(module, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def command(self, body):
        file = self.folder / "build"
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)
        for name, value in (("COMMAND", str(file)), ("is_current", lambda: False)):
            patch = mock.patch.object(template_build, name, value)
            patch.start()
            self.addCleanup(patch.stop)

    def test_db_yaml_has_what_others_read_and_keeps_their_keys(self):
        etc = self.folder / "etc"
        etc.mkdir()
        (etc / "db.yaml").write_text("fields: {vm_name: vm_name}\nipv6_pool: {start: 2}\nip_pool: {start: 1}\n")
        config = {"provisioner": {"gc_grace_days": "3"}}
        self.assertEqual(self.steps["db_config"](config), (True, None))
        self.assertEqual(self.steps["db_config"](config), (True, None))
        content = yaml.safe_load((etc / "db.yaml").read_text())
        self.assertEqual(content["db_file"], "/var/lib/blockhost/vms.json")
        self.assertEqual(content["bridge"], "br0")
        self.assertEqual(content["gc_grace_days"], 3)
        self.assertEqual(content["ip_pool"]["network"], "192.168.7.0/24")
        self.assertEqual(content["vmid_range"]["start"], 100)
        self.assertEqual(content["ipv6_pool"], {"start": 2})
        self.assertEqual(content["fields"], {"vm_name": "vm_name"})
        self.assertEqual((etc / "db.yaml").stat().st_mode & 0o777, 0o640)
        self.assertEqual([file.name for file in etc.iterdir()], ["db.yaml"])

    def test_settings_that_bypass_the_form_are_checked(self):
        for step in self.steps.values():
            done, error = step({"provisioner": {"bridge": "br0; reboot"}})
            self.assertFalse(done)
            self.assertIn("bridge", error)
        self.assertFalse((self.folder / "etc" / "db.yaml").exists())

    def test_found_settings_are_handed_on(self):
        config = {"provisioner": {}}
        self.assertEqual(self.steps["network"](config), (True, None))
        self.assertEqual(config["provisioner"]["bridge"], "br0")
        self.assertEqual(config["_step_result_network"]["bridge"], "br0")

    def test_a_bridge_without_an_address_is_told(self):
        with mock.patch.object(detect, "bridge_network", lambda _: None):
            done, error = self.steps["network"]({"provisioner": {**GOOD}})
        self.assertEqual((done, error), (False, "The bridge br0 has no IPv4 address"))

    def test_storage_makes_the_folders_again_and_again(self):
        state = str(self.folder / "state")
        config = {"provisioner": {"storage_path": state}}
        with (
            mock.patch("blockhost.provisioner_qemu.form.FORBIDDEN", ()),
            mock.patch("blockhost.provisioner_qemu.form.DEFAULT_STORAGE", state),
        ):
            for _ in range(2):
                self.assertEqual(self.steps["storage"](config), (True, None))
        self.assertEqual(sorted(os.listdir(self.folder / "state")), ["templates", "vms"])

    def test_a_damaged_db_yaml_is_told_and_kept(self):
        etc = self.folder / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "db.yaml").write_text("fields: [")
        done, error = self.steps["db_config"]({"provisioner": {}})
        self.assertFalse(done)
        self.assertIn("db.yaml is not YAML", error)
        self.assertEqual((etc / "db.yaml").read_text(), "fields: [")

    def test_storage_takes_no_folder_that_others_use(self):
        with mock.patch("blockhost.provisioner_qemu.form.FORBIDDEN", ()):
            (self.folder / "photos").mkdir()
            (self.folder / "photos" / "one.jpg").touch()
            done, error = self.steps["storage"]({"provisioner": {"storage_path": str(self.folder / "photos")}})
        self.assertFalse(done)
        self.assertIn("photos holds other files (one.jpg)", error)
        self.assertEqual(os.listdir(self.folder / "photos"), ["one.jpg"])

    def test_names_that_anybody_may_have_given_are_not_ours(self):
        (self.folder / "metrics").mkdir()
        (self.folder / "metrics" / "metrics").mkdir()
        with mock.patch("blockhost.provisioner_qemu.form.FORBIDDEN", ()):
            done, error = self.steps["storage"]({"provisioner": {"storage_path": str(self.folder / "metrics")}})
        self.assertFalse(done)
        self.assertIn("holds other files (metrics)", error)

    def test_purging_removes_what_is_ours_and_nothing_else(self):
        script = (ROOT / "debian" / "blockhost-provisioner-qemu.postrm").read_text()
        looped = re.findall(r"for entry in (.+); do", script)
        self.assertEqual(set(" ".join(looped).split()), places.OURS)
        self.assertNotRegex(script, r"rm -rf [^\n]*/var/lib/blockhost-qemu/\w")

    def test_the_template_is_built_with_progress(self):
        self.command("echo 'one' >&2; echo 'two' >&2; echo id")
        config = {"provisioner": {}}
        self.assertEqual(self.steps["template"](config), (True, None))
        self.assertEqual(template_build.progress(), "done")
        self.assertEqual(config["_step_result_template"], {"template": "ready"})

    def test_a_template_that_fails_is_told_with_its_last_words(self):
        self.command("echo 'no packages here' >&2; exit 1")
        done, error = self.steps["template"]({"provisioner": {}})
        self.assertFalse(done)
        self.assertIn("no packages here", error)
        self.assertEqual(template_build.progress(), "no packages here")
        with mock.patch.object(template_build, "COMMAND", "/nowhere/at-all"):
            self.assertIn("cannot be run", self.steps["template"]({"provisioner": {}})[1])


class CurrentTemplate(unittest.TestCase):
    def test_is_one_of_just_the_packages_that_are_there(self):
        with tempfile.TemporaryDirectory() as folder:
            packages = Path(folder) / "packages"
            current = Path(folder) / "templates" / "current"
            for directory in (packages, current):
                directory.mkdir(parents=True)

            def built_with(**files):
                digests = {f"{name}.deb": hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
                (current / "template.json").write_text(json.dumps({"packageFiles": digests}))

            with mock.patch.object(template_build, "PACKAGES", packages):
                self.assertFalse(template_build.is_current(folder))
                (current / "template.json").write_text("{}")
                self.assertFalse(template_build.is_current(folder))
                (current / "disk.qcow2").touch()
                self.assertTrue(template_build.is_current(folder), "no packages in it, none there")
                (packages / "one.deb").write_text("1")
                self.assertFalse(template_build.is_current(folder))
                built_with(one="1")
                self.assertTrue(template_build.is_current(folder))
                # dpkg and cp -p keep old times.
                (packages / "one.deb").write_text("2")
                os.utime(packages / "one.deb", (0, 0))
                self.assertFalse(template_build.is_current(folder))
                built_with(one="2", two="2")
                self.assertFalse(template_build.is_current(folder))
                os.mkfifo(packages / "two.deb")
                self.assertFalse(template_build.is_current(folder))


if __name__ == "__main__":
    unittest.main()
