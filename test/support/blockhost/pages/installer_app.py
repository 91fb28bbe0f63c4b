"""Stand-in for the setup wizard, as far as a provisioner's page meets it."""

from pathlib import Path

from flask import Flask, jsonify, redirect, render_template_string, request, session

from blockhost.provisioner_qemu import wizard

HERE = Path(__file__).parent
STEPS = [
    {"id": "network", "label": "Network", "endpoint": "wizard_network"},
    {"id": "qemu", "label": "QEMU", "endpoint": "provisioner_qemu.wizard_qemu"},
    {"id": "connectivity", "label": "Connectivity", "endpoint": "wizard_connectivity"},
]


def create_app(finalization=None):
    app = Flask(__name__, template_folder=str(HERE / "installer"))
    app.secret_key = "test"
    app.register_blueprint(wizard.blueprint)

    @app.template_global()
    def wizard_nav(_step):
        return {"prev": "wizard_network"}

    @app.context_processor
    def inject():
        return {
            "wizard_steps": STEPS,
            "prov_ui": wizard.get_ui_params(dict(session)),
        }

    @app.route("/login", methods=["GET", "POST"])
    def login():
        session["authenticated"] = True
        return redirect("/wizard/qemu")

    @app.route("/login-page")
    def login_page():
        return "log in"

    @app.route("/wizard/network")
    def wizard_network():
        return "the page before"

    @app.route("/wizard/connectivity")
    def wizard_connectivity():
        return "the page after"

    @app.route("/summary")
    def summary():
        return render_template_string(
            '{% extends "base.html" %}{% block content %}<div class="card" id="progress-card"></div>'
            "{% include template %}{% endblock %}",
            provisioner_summary=wizard.get_summary_data(dict(session)),
            template=wizard.get_summary_template(),
        )

    @app.route("/finalize", methods=["GET", "POST"])
    def finalize():
        if request.method == "POST":
            kept = {"provisioner": session["qemu"]} if "qemu" in session else {}
            finalization.begin(kept)
        return jsonify(going_on=finalization.going_on())

    return app
