"""The door from BlockHost's root agent to the provisioner's root side.

Handlers run one after the other on the agent's event loop, so each is short. Nothing is decided here: the
parameters go as JSON to a program that checks every one of them and names every path itself.
"""

import json
import re
import subprocess

PROGRAM = "/usr/bin/blockhost-qemu"
REQUESTS = (
    "vm-create",
    "vm-start",
    "vm-stop",
    "vm-limits",
    "vm-remove",
    "vm-settle",
    "host-care",
    "template-publish",
)

# Other clients of the agent wait meanwhile.
TIME_LIMIT = 9.5
# A seed's user-data may be large, and JSON escapes some of it.
MAX_PARAMS = 8 * 1024 * 1024
VM_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}")
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}


def _action(request):
    def handler(params):
        return _pass_on(request, params)

    return handler


def _pass_on(request, params):
    if not isinstance(params, dict):
        raise ValueError(f"qemu-{request}: params must be an object")
    name = params.get("name")
    if name is not None and not (isinstance(name, str) and VM_NAME.fullmatch(name)):
        raise ValueError(f"qemu-{request}: name is no valid name of a VM")
    text = json.dumps(params)
    if len(text) > MAX_PARAMS:
        raise ValueError(f"qemu-{request}: params are larger than {MAX_PARAMS} bytes")
    try:
        done = subprocess.run(
            [PROGRAM, "root", request],
            input=text,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
            env=ENVIRONMENT,
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        error = f"qemu-{request} took longer than {TIME_LIMIT} s"
        return {"ok": False, "error": error, "kind": "lost"}
    return _reply_of(request, done)


def _reply_of(request, done):
    lines = done.stdout.strip().splitlines()
    try:
        reply = json.loads(lines[-1]) if lines else None
    except ValueError:
        reply = None
    if isinstance(reply, dict) and isinstance(reply.get("ok"), bool):
        return reply
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return {"ok": False, "error": f"qemu-{request}: {said[:500]}"}


ACTIONS = {f"qemu-{request}": _action(request) for request in REQUESTS}
