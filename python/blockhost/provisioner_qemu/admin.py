"""A page of the admin panel: this host's VMs, what they use, and the buttons of the contract's verbs."""

from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, flash, jsonify, redirect, render_template, request

from . import cards, commands

PAGES = [{"id": "qemu", "path": "/qemu", "label": "QEMU", "icon": "&#9707;"}]

blueprint = Blueprint("qemu_admin", __name__, template_folder="templates")


@blueprint.route("/qemu")
def vms_page():
    number = request.args.get("page", "1")
    counted = number.isascii() and number.isdigit() and len(number) <= 6
    shown = cards.page(int(number) if counted else 1)
    return render_template("provisioner_qemu/admin.html", active_page="qemu", **shown)


@blueprint.route("/api/qemu/vms")
def vms_api():
    return jsonify(commands.vms())


@blueprint.route("/api/qemu/vms/<name>/<verb>", methods=["POST"])
def act(name: str, verb: str):
    if not _is_own_page():
        abort(403)
    if verb not in commands.ACTIONS or not commands.is_name(name):
        abort(404)
    if verb == "destroy" and request.form.get("confirm") != name:
        flash(f"VM {name} is not destroyed: it was not confirmed", "error")
    else:
        error = commands.act(verb, name)
        flash(error or f"{verb} of {name}: done", "error" if error else "success")
    return redirect(f"{current_app.config.get('PATH_PREFIX', '')}/qemu", code=303)


def _is_own_page() -> bool:
    """
    Pages of the same site, as guests may serve them, get the session's cookie sent along. Where browsers trust the
    connection they say whose page asks; on plain HTTP there is the origin alone, `null` for a page in a sandbox. The
    panel's proxy takes the port out of Host.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or (_host(origin) or "") == _host(f"//{request.host}")


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
