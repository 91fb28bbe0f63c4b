"""Which folder templates and disks lie in, with real mounts in a mount namespace of its own."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import host

from blockhost.provisioner_qemu import form, places, storage

# What systemd does with the unit, and with the service that needs it.
SYSTEMCTL = r"""#!/bin/sh
get() { sed -n "s/^$1=//p" "$UNIT"; }
mounted() { grep -q " $STATE " /proc/self/mountinfo; }
case "$1 $2" in
  'enable --now') mounted || mount --bind "$(get What)" "$(get Where)"; : >"$UNIT.enabled" ;;
  'disable --now') rm -f "$UNIT.enabled" "$UNIT.vms"; ! mounted || umount "$(get Where)" ;;
  'is-active --quiet') [ -e "$UNIT.vms" ] ;;
  start*) : >"$UNIT.vms" ;;
esac
"""


class Storage(unittest.TestCase):
    def setUp(self):
        host.on_host(self)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/mnt"], check=True)
        self.addCleanup(subprocess.run, ["umount", "--recursive", "--lazy", "/mnt"], check=True)
        commands = tempfile.TemporaryDirectory()
        self.addCleanup(commands.cleanup)
        systemctl = Path(commands.name) / "systemctl"
        systemctl.write_text(SYSTEMCTL)
        systemctl.chmod(0o755)
        self.unit = Path("/mnt/unit")
        self.state = Path("/mnt/state")
        environment = {
            "PATH": f"{commands.name}:{os.environ['PATH']}",
            "UNIT": str(self.unit),
            "STATE": str(self.state),
        }
        for patch in (
            mock.patch.dict(os.environ, environment),
            mock.patch.object(storage, "DEFAULT_STORAGE", str(self.state)),
            mock.patch.object(form, "DEFAULT_STORAGE", str(self.state)),
            mock.patch.object(storage, "UNIT", self.unit),
        ):
            patch.start()
            self.addCleanup(patch.stop)

    def assert_lies_in(self, folder):
        self.assertTrue(os.path.samefile(self.state, folder))
        self.assertEqual(os.path.realpath(folder) != str(self.state), places.is_mounted(self.state))
        self.assertEqual(sorted(os.listdir(self.state)), ["templates", "vms"])
        self.assertEqual(os.stat(self.state).st_mode & 0o777, 0o755)

    def refused(self, path, words):
        with self.assertRaisesRegex(RuntimeError, words):
            storage.prepare(path)

    def test_goes_where_it_is_told_also_again_and_again(self):
        for path in ("/mnt/a", "/mnt/a", "/mnt/new/b", "/mnt/state", "/mnt/state", "/mnt/a"):
            storage.prepare(path)
            self.assert_lies_in(path)
            self.assertEqual(self.unit.exists(), path != "/mnt/state")
            self.assertEqual(Path("/mnt/unit.enabled").exists(), path != "/mnt/state")
        table = Path("/proc/self/mountinfo").read_text()
        self.assertEqual(table.count(" /mnt/state "), 1, "one mount, not one upon another")

    def test_what_a_link_leads_to_is_noted(self):
        os.mkdir("/mnt/a")
        os.symlink("/mnt/a", "/mnt/link")
        storage.prepare("/mnt/link")
        self.assertIn("What=/mnt/a\n", self.unit.read_text())
        storage.prepare("/mnt/a")
        self.assert_lies_in("/mnt/a")

    def test_takes_another_disk_with_its_lost_and_found(self):
        os.mkdir("/mnt/disk")
        subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt/disk"], check=True)
        os.chmod("/mnt/disk", 0o700)
        os.mkdir("/mnt/disk/lost+found")
        storage.prepare("/mnt/disk")
        self.assertTrue(places.is_mounted(self.state, of="/mnt/disk"))
        self.assertEqual(os.stat("/mnt/disk").st_mode & 0o777, 0o755)

    def test_disks_stay_where_they_are(self):
        storage.prepare("/mnt/a")
        os.mkdir("/mnt/a/templates/one")
        before = Path("/proc/self/mountinfo").read_text()
        storage.prepare("/mnt/a")
        for path in ("/mnt/b", "/mnt/state"):
            self.refused(path, "/mnt/a holds VMs or templates already: keep that path")
        self.assertFalse(os.path.exists("/mnt/b"))
        self.assertEqual(Path("/proc/self/mountinfo").read_text(), before)
        # Nor are they forgotten while their disk is not mounted.
        subprocess.run(["umount", "/mnt/state"], check=True)
        self.refused("/mnt/b", "/mnt/a holds VMs or templates already")
        storage.prepare("/mnt/a")
        self.assertTrue(os.path.isdir("/mnt/state/templates/one"))

    def test_disks_in_the_default_folder_are_not_covered(self):
        os.makedirs("/mnt/state/vms/web1")
        self.refused("/mnt/a", "/mnt/state holds VMs or templates already")
        self.assertFalse(places.is_mounted(self.state))

    def test_what_somebody_else_has_mounted_stays(self):
        storage.prepare("/mnt/state")
        subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt/state"], check=True)
        storage.prepare("/mnt/state")
        self.refused("/mnt/a", "something else is mounted on /mnt/state")
        self.assertFalse(self.unit.exists())

    def test_the_service_of_vms_runs_on(self):
        Path("/mnt/unit.vms").touch()
        for path in ("/mnt/a", "/mnt/b", "/mnt/state"):
            storage.prepare(path)
            self.assertTrue(Path("/mnt/unit.vms").exists(), path)

    def test_folders_of_others_are_refused_by_form_and_step(self):
        os.mkdir("/mnt/hers")
        os.chown("/mnt/hers", 1000, 1000)
        os.mkdir("/mnt/open")
        os.chmod("/mnt/open", 0o1777)
        os.mkdir("/mnt/photos")
        Path("/mnt/photos/one.jpg").touch()
        Path("/mnt/file").touch()
        os.symlink("/mnt/a b", "/mnt/odd")
        for path, words in {
            "/mnt/hers": "/mnt/hers must belong to root",
            "/mnt/hers/disks": "/mnt/hers must belong to root",
            "/mnt/open/disks": "/mnt/open must belong to root",
            "/mnt/photos": r"holds other files \(one.jpg\)",
            "/mnt/file": "/mnt/file is no folder",
            "/mnt/odd": "leads to '/mnt/a b'",
        }.items():
            self.refused(path, words)
            self.assertRegex(form.check({"storage_path": path})[1]["storage_path"], words)
        self.assertFalse(self.unit.exists())
        self.assertEqual(os.stat("/mnt/hers").st_uid, 1000)

    def test_the_form_takes_what_is_in_use_already(self):
        storage.prepare("/mnt/a")
        Path("/mnt/a/notes").touch()
        self.assertEqual(form.check({"storage_path": "/mnt/a"})[1], {})
        storage.prepare("/mnt/a")

    def test_a_mount_that_failed_is_told(self):
        with mock.patch.dict(os.environ, {"PATH": os.environ["PATH"].split(":", 1)[1]}):
            (Path("/mnt") / "bin").mkdir()
            stub = Path("/mnt/bin/systemctl")
            stub.write_text("#!/bin/sh\n")
            stub.chmod(0o755)
            os.environ["PATH"] = f"/mnt/bin:{os.environ['PATH']}"
            self.refused("/mnt/a", "/mnt/a is not what is mounted on /mnt/state")
        storage.prepare("/mnt/a")
        self.assert_lies_in("/mnt/a")


class Purge(unittest.TestCase):
    """By the package's own script, with nothing of this machine in its reach."""

    STATE = Path("/var/lib/blockhost-qemu")
    FRONT = Path("/var/lib/blockhost/qemu")
    UNIT = Path("/etc/systemd/system/var-lib-blockhost\\x2dqemu.mount")

    def setUp(self):
        for folder in ("/mnt", "/var/lib", "/etc/systemd", "/run"):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", folder], check=True)
            self.addCleanup(subprocess.run, ["umount", "--recursive", "--lazy", folder], check=True)
        for folder in (*places.OURS, "mine"):
            os.makedirs(f"/mnt/disk/{folder}")
        for folder in (self.STATE, self.FRONT / "journal", self.UNIT.parent):
            os.makedirs(folder)
        subprocess.run(["mount", "--bind", "/mnt/disk", self.STATE], check=True)
        self.UNIT.touch()

    def purge(self):
        script = host.ROOT / "debian" / "blockhost-provisioner-qemu.postrm"
        return subprocess.run(["sh", script, "purge"], capture_output=True, text=True, check=True).stderr

    def test_takes_nothing_while_a_vm_is_left(self):
        os.mkdir("/mnt/disk/vms/web1")
        self.assertIn("VMs are left in /var/lib/blockhost-qemu", self.purge())
        self.assertEqual(set(os.listdir(self.STATE)), {*places.OURS, "mine"})
        self.assertTrue((self.FRONT / "journal").exists())
        self.assertTrue(self.UNIT.exists() and places.is_mounted(self.STATE))

    def test_takes_what_is_ours_and_gives_the_disk_back(self):
        self.assertEqual(self.purge(), "")
        self.assertEqual(os.listdir("/mnt/disk"), ["mine"])
        for gone in (self.STATE, self.FRONT, self.UNIT):
            self.assertFalse(gone.exists(), gone)


if __name__ == "__main__":
    if "IN_NAMESPACE" not in os.environ:
        arguments = ["unshare", "--mount", "--propagation", "private", sys.executable, "-B", __file__]
        os.execvpe(arguments[0], arguments, {**os.environ, "IN_NAMESPACE": "1"})
    unittest.main()
