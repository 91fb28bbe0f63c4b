"""Goes through the wizard's page and the steps of setup over HTTP, as a visitor and the installer do.

stdin: {"state": FILE, "refused": [FORM, ...], "form": FORM, "places": {"MODULE.NAME": PATH}}. Without a form the
steps are tried again with what FILE holds. stdout: what was seen, as JSON.
"""

import http.cookiejar
import importlib
import json
import logging
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from werkzeug.serving import make_server

from finalization import Finalization
from installer_app import create_app

ORDER = json.load(sys.stdin)
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Visitor:
    def __init__(self, port):
        self.address = f"http://127.0.0.1:{port}"
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(cookies, Stay())

    def ask(self, path, form=None):
        data = None if form is None else urllib.parse.urlencode(form).encode()
        try:
            answer = self.opener.open(self.address + path, data, timeout=60)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return {
                "status": answer.status,
                "location": answer.headers.get("Location"),
                "text": answer.read().decode(),
            }


def fill_in(visitor):
    seen = {"stranger": visitor.ask("/wizard/qemu")}
    visitor.ask("/login", {})
    seen["page"] = visitor.ask("/wizard/qemu")
    seen["refused"] = [visitor.ask("/wizard/qemu", form) for form in ORDER["refused"]]
    seen["accepted"] = visitor.ask("/wizard/qemu", ORDER["form"])
    seen["summary"] = visitor.ask("/summary")
    return seen


def finalize(visitor):
    """The page asks how far the template is while a step runs."""
    visitor.ask("/login", {})
    visitor.ask("/finalize", {})
    lines = []
    while True:
        over = not json.loads(visitor.ask("/finalize")["text"])["going_on"]
        line = json.loads(visitor.ask("/wizard/qemu/progress")["text"])["line"]
        if line not in lines[-1:]:
            lines.append(line)
        if over:
            return lines
        time.sleep(0.5)


for place, value in ORDER.get("places", {}).items():
    module, name = place.split(".")
    module = importlib.import_module(f"blockhost.provisioner_qemu.{module}")
    setattr(module, name, type(getattr(module, name))(pathlib.Path(value)))

work = Finalization(ORDER["state"])
server = make_server("127.0.0.1", 0, create_app(work), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
visitor = Visitor(server.port)
seen = fill_in(visitor) if "form" in ORDER else {}
seen["progress"] = finalize(visitor)
print(json.dumps({**seen, **work.state}))
