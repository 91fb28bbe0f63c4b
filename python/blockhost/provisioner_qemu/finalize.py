"""The steps of setup that are ours. Each can be done again, and takes nothing for granted that a form checked."""

import subprocess
from collections.abc import Callable

from . import db_yaml, detect, storage, template_build
from .form import check

Result = tuple[bool, str | None]


def steps() -> list[tuple]:
    return [
        ("storage", "Preparing storage for VMs", _step(finalize_storage)),
        ("network", "Checking the network bridge", _step(finalize_network)),
        ("db_config", "Writing db.yaml", _step(finalize_db_config)),
        ("template", "Building the VM template", _step(finalize_template), "(several minutes)"),
    ]


def _step(work: Callable[[dict, dict], Result]) -> Callable[[dict], Result]:
    """A failure is said, never raised: the installer shows the words."""

    def step(config: dict) -> Result:
        try:
            settings, errors = check(config.get("provisioner") or {})
            if errors:
                said = "; ".join(f"{field}: {why}" for field, why in errors.items())
                return False, f"The QEMU settings are not right: {said}"
            # What was found out counts from now on, also when setup is tried again after a reboot.
            config["provisioner"] = {**(config.get("provisioner") or {}), **settings}
            return work(config, settings)
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            return False, str(error)

    step.__name__ = work.__name__
    return step


def finalize_storage(_config: dict, settings: dict) -> Result:
    storage.prepare(settings["storage_path"])
    return True, None


def finalize_network(config: dict, settings: dict) -> Result:
    interface = detect.bridge_network(settings["bridge"])
    if interface is None:
        return False, f"The bridge {settings['bridge']} has no IPv4 address"
    config["_step_result_network"] = {"bridge": settings["bridge"], "address": str(interface)}
    return True, None


def finalize_db_config(_config: dict, settings: dict) -> Result:
    db_yaml.write(settings)
    return True, None


def finalize_template(config: dict, _settings: dict) -> Result:
    done, error = template_build.build()
    if done:
        config["_step_result_template"] = {"template": "ready"}
    return done, error
