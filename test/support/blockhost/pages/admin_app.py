"""Stand-in for the admin panel, as far as a provisioner's page meets it."""

from pathlib import Path

from flask import Flask

from blockhost.provisioner_qemu import admin

HERE = Path(__file__).parent


def create_app(prefix=""):
    app = Flask(__name__, template_folder=str(HERE / "admin"))
    app.secret_key = "test"
    app.config["PATH_PREFIX"] = prefix
    app.register_blueprint(admin.blueprint)

    @app.context_processor
    def inject():
        return {"admin_prefix": prefix, "nav_pages": admin.PAGES, "engine_ui": {}}

    return app
