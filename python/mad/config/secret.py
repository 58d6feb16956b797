"""References to secrets, which are in the environment or in files and never in settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from mad.regular import open_regular

#: Most bytes of a file with a secret.
MAX_BYTES = 64 * 1024


class SecretMissing(ValueError):
    """A secret that its reference does not lead to. The message has the reference, which is not
    secret."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A reference to a secret: `env:NAME` (a variable) or `file:PATH` (a file, without the white
    space at its ends).

    The secret is read when it is used, so that a new one in a file needs no restart. It appears in
    no representation.
    """

    reference: str

    @classmethod
    def is_reference(cls, text: str) -> bool:
        """Whether a text refers to a secret."""
        scheme, _, place = text.partition(":")
        return scheme in ("env", "file") and bool(place)

    def value(self, environ: Mapping[str, str] | None = None) -> str:
        """The secret. Raises `SecretMissing` when it is not there or empty."""
        scheme, _, place = self.reference.partition(":")
        if scheme == "env":
            found = (os.environ if environ is None else environ).get(place, "")
            if not found:
                raise SecretMissing(f"the variable {place} is not set (`{self.reference}`)")
        else:
            found = _contents(place)
        if any(ord(char) < 32 for char in found):
            raise SecretMissing(f"`{self.reference}` has more than one line or control characters")
        return found


def revealed(value: str | Secret | None) -> str:
    """The text of an option that may be plain or a reference; empty for None. Raises
    `SecretMissing`."""
    return value.value() if isinstance(value, Secret) else value or ""


def _contents(path: str) -> str:
    try:
        with open_regular(path) as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8").strip()
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise SecretMissing(f"{path} cannot be read: {said} (`file:{path}`)") from None
    except UnicodeDecodeError:
        raise SecretMissing(f"{path} is not UTF-8 text (`file:{path}`)") from None
    if not text or len(content) > MAX_BYTES:
        raise SecretMissing(f"{path} is empty or larger than {MAX_BYTES} bytes (`file:{path}`)")
    return text
