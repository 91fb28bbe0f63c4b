"""The provisioner's page in the setup wizard, and what the installer asks of it."""

from flask import Blueprint, jsonify, redirect, render_template, request, session, url_for

from . import detect, template_build
from .finalize import steps
from .form import DEFAULT_STORAGE, FIELDS, check, defaults

SESSION_KEY = "qemu"

blueprint = Blueprint("provisioner_qemu", __name__, template_folder="templates")


@blueprint.before_request
def require_login():
    """The installer leaves this to its plugins."""
    if not session.get("authenticated"):
        return redirect(url_for("login"))
    return None


@blueprint.route("/wizard/qemu", methods=["GET", "POST"])
def wizard_qemu():
    found = detect.resources(DEFAULT_STORAGE)
    errors: dict[str, str] = {}
    if request.method == "POST":
        settings, errors = check(request.form, found)
        if not errors:
            session[SESSION_KEY] = {field: settings[field] for field in FIELDS}
            return redirect(url_for("wizard_connectivity"))
    else:
        kept = session.get(SESSION_KEY)
        settings = {**defaults(found), **(kept if isinstance(kept, dict) else {})}
    page = render_template(
        "provisioner_qemu/wizard.html", found=found, settings=settings, errors=errors
    )
    return page, 400 if errors else 200


@blueprint.route("/wizard/qemu/progress")
def template_progress():
    return jsonify(line=template_build.progress())


def get_finalization_steps() -> list[tuple]:
    return steps()


def get_summary_data(session_data: dict) -> dict:
    settings = session_data.get(SESSION_KEY)
    settings, errors = check(settings if isinstance(settings, dict) else {})
    return {**settings, "errors": errors}


def get_summary_template() -> str:
    return "provisioner_qemu/summary.html"


def get_ui_params(_session_data: dict) -> dict:
    return {"storage_hint": f"Templates and disks of VMs are kept in {DEFAULT_STORAGE}."}
