"""BlockHost's configuration files that may be absent. One that cannot be understood is named."""

import json
from collections.abc import Callable
from pathlib import Path

from errors import HelperError


def read_json(file: Path) -> dict:
    """@raises HelperError"""
    return _read(file, json.loads, "JSON")


def read_yaml(file: Path) -> dict:
    """@raises HelperError"""
    import yaml

    def load(text: str) -> object:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError from error

    return _read(file, load, "YAML")


def _read(file: Path, load: Callable[[str], object], language: str) -> dict:
    """What is there but holds no object is as good as empty."""
    try:
        content = load(file.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise HelperError(f"{file} is damaged: it is not valid {language}; mend it, or move it away") from error
    return content if isinstance(content, dict) else {}
