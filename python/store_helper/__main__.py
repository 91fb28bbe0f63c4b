"""Gives the provisioner BlockHost's own database and cloud-init templates.

One JSON object a line on stdin, one JSON object a line on stdout:
{"id": 1, "op": "get", "args": {"name": "web1"}} is answered by {"id": 1, "ok": true, "result": ...} or by
{"id": 1, "ok": false, "kind": "input", "error": "..."}. It ends with its stdin.
"""

import argparse
import json
import signal
import sys

from errors import HelperError


def main() -> None:
    # The terminal or systemd signals the whole group; whoever started this still undoes its work with it.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config-dir", default="/etc/blockhost")
    options = parser.parse_args()
    operations: dict = {}
    for line in sys.stdin:
        request = json.loads(line)
        if not operations:
            try:
                operations = load(options.config_dir)
            except Exception as error:  # said to the caller, who cannot see where it happened
                reply(request, error)
                continue
        try:
            result = operations[request["op"]](**request["args"])
        except Exception as error:
            reply(request, error)
        else:
            say({"id": request["id"], "ok": True, "result": result})


def load(config_dir: str) -> dict:
    from cloud_init import CloudInit
    from records import Records

    records = Records(config_dir)
    return {**records.operations(), **CloudInit(config_dir).operations()}


def reply(request: dict, error: Exception) -> None:
    kind = error.kind if isinstance(error, HelperError) else "failed"
    text = str(error) or type(error).__name__
    say({"id": request.get("id"), "ok": False, "kind": kind, "error": text})


def say(message: dict) -> None:
    sys.stdout.write(json.dumps(message, default=str) + "\n")
    sys.stdout.flush()


main()
