"""What the root agent of blockhost-common offers to action modules."""

import ipaddress
import logging
import re
import subprocess
from pathlib import Path

log = logging.getLogger('root-agent')

CONFIG_DIR = Path('/etc/blockhost')
STATE_DIR = Path('/var/lib/blockhost')

NAME_RE = re.compile(r'^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$')
SHORT_NAME_RE = re.compile(r'^[a-z0-9-]{1,32}$')
STORAGE_RE = re.compile(r'^[a-z0-9-]+$')
COMMENT_RE = re.compile(r'^[a-zA-Z0-9 _.-]{1,64}$')
BRIDGES = ('vmbr0', 'virbr0', 'br0', 'br-ext', 'docker0')
TAP_RE = re.compile(r'tap\d+i\d+')


def run(cmd, timeout=120):
    """Exit code, stdout and stderr; raises when it takes too long."""
    done = subprocess.run(cmd, capture_output=True, text=True, timeout=timeout)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def is_valid_address(address):
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def validate_vmid(vmid):
    if not isinstance(vmid, int) or isinstance(vmid, bool) or not 100 <= vmid <= 999999:
        raise ValueError(f'invalid vmid: {vmid!r}')
    return vmid


def validate_ipv6_128(address):
    text = str(address)
    if not text.endswith('/128'):
        raise ValueError(f'not a /128: {text}')
    ipaddress.IPv6Address(text[: -len('/128')])
    return text


def validate_dev(dev):
    if not isinstance(dev, str) or not (dev in BRIDGES or TAP_RE.fullmatch(dev)):
        raise ValueError(f'device not allowed: {dev!r}')
    return dev
