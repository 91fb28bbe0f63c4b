"""What the wizard takes, and what it makes of it."""

import ipaddress
import unittest
from unittest import mock

import host
from blockhost.provisioner_qemu import detect, form

GOOD = {
    "bridge": "br0",
    "ip_network": "192.168.7.0/24",
    "ip_start": "100",
    "ip_end": "199",
    "gateway": "192.168.7.1",
    "storage_path": "/srv/vms",
    "gc_grace_days": "5",
    "default_expiry_days": "60",
}


class Form(unittest.TestCase):
    def setUp(self):
        host.on_host(self)

    def test_good_input_becomes_typed(self):
        settings, errors = form.check(GOOD)
        self.assertEqual(errors, {})
        self.assertEqual((settings["ip_start"], settings["ip_end"]), (100, 199))
        self.assertEqual((settings["gc_grace_days"], settings["default_expiry_days"]), (5, 60))

    def test_whatever_is_missing_is_found_out(self):
        for given in ({}, None, {"bridge": ""}, {"ip_start": None}):
            settings, errors = form.check(given)
            self.assertEqual(errors, {}, given)
            self.assertEqual(settings["bridge"], "br0")
            self.assertEqual(settings["ip_network"], "192.168.7.0/24")
            self.assertEqual(settings["gateway"], "192.168.7.1")
            self.assertLess(settings["ip_start"], settings["ip_end"])

    def test_files_may_bring_numbers_and_dotted_bounds(self):
        settings, errors = form.check(
            {**GOOD, "ip_start": 2, "ip_end": "192.168.7.254", "gc_grace_days": 7, "storage_pool": "x"}
        )
        self.assertEqual(errors, {})
        self.assertEqual((settings["ip_start"], settings["ip_end"]), (2, 254))
        self.assertNotIn("storage_pool", settings)

    def test_a_subnet_is_written_as_the_program_reads_it(self):
        for given in ("192.168.7.0/255.255.255.0", "192.168.7.0/0.0.0.255", "192.168.7.0/024"):
            settings, errors = form.check({**GOOD, "ip_network": given})
            self.assertEqual((settings["ip_network"], errors), ("192.168.7.0/24", {}))

    def test_no_vm_gets_the_broadcast_address(self):
        small = {**GOOD, "ip_network": "192.168.7.0/25", "ip_start": "100"}
        self.assertIn("ip_end", form.check({**small, "ip_end": "127"})[1])
        self.assertEqual(form.check({**small, "ip_end": "126"})[1], {})

    def test_a_pool_the_bridge_does_not_reach_is_told(self):
        away = {**GOOD, "ip_network": "192.168.8.0/24", "gateway": "192.168.8.1"}
        self.assertIn("192.168.7.20", form.check(away)[1]["ip_network"])
        second = [ipaddress.IPv4Interface(text) for text in ("192.168.7.20/24", "192.168.8.2/24")]
        with mock.patch.object(detect, "bridge_networks", lambda _: second):
            self.assertEqual(form.check(away)[1], {})

    def test_the_hosts_own_addresses_are_passed_over_but_one_is_left(self):
        for start, end, right in ((1, 20, True), (20, 20, False), (1, 1, False), (20, 21, True)):
            _, errors = form.check({**GOOD, "ip_start": start, "ip_end": end})
            self.assertEqual("ip_end" not in errors, right, (start, end))
        self.assertIn("ip_end", form.check({**GOOD, "gateway": "192.168.7.21", "ip_start": 20, "ip_end": 21})[1])

    def test_each_bad_field_is_told_by_name(self):
        for field, values in {
            "bridge": ["eth9", "a b", "br0;reboot", "../x", "<script>", "br0\n", "x" * 16],
            "ip_network": ["300.1.1.0/24", "192.168.7.0", "192.168.7.0/33", "::/64", "<b>", "10.0.0.0/7"],
            "ip_start": ["0", "255", "-1", "1.5", "192.168.8.4", "²", "1e2", "x" * 200],
            "ip_end": ["99", "0x10", "٣"],
            "gateway": ["192.168.8.1", "192.168.7.0", "192.168.7.255", "gateway", "192.168.7.1/24", "fe80::1"],
            "storage_path": ["srv", "/srv/../etc", "/etc/vms", "/", "/tmp/x", "/srv/a b", "/srv/$(id)",
                             "/srv/vms\n", "/srv/" + "x" * 300, "//srv", "/proc/self", "/root/x", "/lib64/x", "/var/lib/blockhost",
                             "/var/lib/blockhost/disks", "/opt/blockhost/x", "/var/run/x", "/var/tmp/x",
                             "/var/lib/blockhost-qemu/vms"],
            "gc_grace_days": ["-1", "366", "7.5", "many", "1_0"],
            "default_expiry_days": ["0", "99999", """ ' or 1"""],
        }.items():
            for value in values:
                # The form's own trimming takes care of blanks around a value.
                if value.strip() != value and form.check({**GOOD, field: value.strip()})[1] == {}:
                    continue
                _, errors = form.check({**GOOD, field: value})
                self.assertIn(field, errors, f"{field}={value!r}")

    def test_the_last_address_comes_after_the_first(self):
        _, errors = form.check({**GOOD, "ip_start": "50", "ip_end": "40"})
        self.assertIn("ip_end", errors)

    def test_a_full_disk_is_told(self):
        host.on_host(self, free=1)
        self.assertIn("storage_path", form.check(GOOD)[1])

    def test_without_a_bridge_nothing_goes_on(self):
        host.on_host(self, bridge="", address=None)
        self.assertIn("bridge", form.check({})[1])


class Pool(unittest.TestCase):
    def test_lies_in_the_bridges_own_subnet_and_in_the_hosts_three_octets(self):
        for address, network, least, most in (
            ("192.168.7.20/24", "192.168.7.0/24", 128, 254),
            ("10.1.2.3/16", "10.1.2.0/16", 128, 254),
            ("192.0.2.70/26", "192.0.2.64/26", 65, 126),
            ("192.0.2.130/28", "192.0.2.128/28", 129, 142),
        ):
            host.on_host(self, address=address)
            pool = detect.pool_of("br0")
            self.assertEqual(pool["ip_network"], network)
            self.assertGreaterEqual(pool["ip_start"], least, address)
            self.assertLessEqual(pool["ip_end"], most, address)
            self.assertLessEqual(pool["ip_start"], pool["ip_end"])
            self.assertEqual(form.check({"bridge": "br0"})[1], {}, address)

    def test_a_subnet_for_a_few_is_none_for_vms(self):
        host.on_host(self, address="192.0.2.1/30")
        self.assertIsNone(detect.pool_of("br0"))


if __name__ == "__main__":
    unittest.main()
