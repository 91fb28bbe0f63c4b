"""Templates with ${VARIABLES}; one that is not given stays as it is."""

import string
from pathlib import Path

DIRECTORY = Path(__file__).parents[2] / "templates"


def render_cloud_init(template_name, variables, extra_dirs=None):
    return string.Template((DIRECTORY / template_name).read_text()).safe_substitute(variables)
