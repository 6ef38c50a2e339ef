"""The file with the settings, read again when it changes. What is wrong with it is told, and what was known stays."""

import logging
from pathlib import Path

from pydantic import ValidationError

from modelrollout.api.observer import ObserverSettings

log = logging.getLogger(__name__)

MOST_BYTES = 2 * 1024 * 1024
"""More than a ConfigMap holds."""


class SettingsFile:
    """`problem` is a sentence while the file as it is cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text: bytes | None = None
        self.problem: str | None = f"{path} has not been read yet"

    def changed(self) -> ObserverSettings | None:
        """The settings if they are others than last time. Each problem is told once."""
        try:
            with self._path.open("rb") as file:
                text = file.read(MOST_BYTES + 1)
        except OSError as error:
            self._tell(f"{self._path} cannot be read: {error.strerror}")
            return None
        if text == self._text:
            return None
        self._text = text
        try:
            settings = ObserverSettings.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            self._tell(f"{self._path}: {where}: {first['msg']}")
            return None
        self.problem = None
        return settings

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem)
            self.problem = problem
