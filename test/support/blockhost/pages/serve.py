"""Serves a stand-in on a free port of the loopback and prints the port: serve.py installer|admin [VMS]."""

import ipaddress
import logging
import sys
from pathlib import Path

from werkzeug.serving import make_server

sys.path[:0] = [str(Path(__file__).parents[4] / "python"), str(Path(__file__).parent)]
logging.getLogger("werkzeug").setLevel(logging.ERROR)

if sys.argv[1] == "installer":
    from blockhost.provisioner_qemu import detect
    from installer_app import create_app

    interface = ipaddress.IPv4Interface("192.168.7.20/24")
    detect.find_bridge = lambda: "br0"
    detect.is_bridge = lambda name: name == "br0"
    detect.bridge_networks = lambda name: [interface] if name == "br0" else []
    detect.gateway_of = lambda *_: "192.168.7.1"
    detect.has_kvm = lambda: False
    detect.free_gb = lambda _path: 120
else:
    from admin_app import create_app
    from blockhost.provisioner_qemu import files

    files.VMS = Path(sys.argv[2])

server = make_server("127.0.0.1", 0, create_app(), threaded=True)
print(server.port, flush=True)
server.serve_forever()
