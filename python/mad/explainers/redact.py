"""Leaves secrets and personal data out of texts that are sent to a language model."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: What a secret is replaced by.
MARK = "[redacted]"

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api[-_ ]?key|apikey|access[-_ ]?key|private[-_ ]?key"
    r"|client[-_ ]?secret|authorization|auth|credentials?|cookie|session(?:id)?|signature|sig"
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        r"-----BEGIN [A-Z ]+-----.*?(?:-----END [A-Z ]+-----|$)",
        # behind the name of a secret: password=x, "token": "x", Authorization: Bearer x
        r"(?<=[=:]\s)\b(?:bearer|basic)\s+\S+|\b(?:bearer|basic)\s+[\w.+/=~-]{6,}",
        rf"(?<![A-Za-z])(?:{_NAMES})[\"']?\s*(?:[=:]|\bis\b)\s*[\"']?[^\s\"',;&}})]+",
        # a user and a password, or a key, in a URL
        r"(?<=://)[^/\s@]+@",
        r"(?<=[?&])[\w.-]+=[^\s&#`]+",
        # keys of well-known services, JSON web tokens
        r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|xox[abprs]|AKIA|ASIA|AIza|glpat|hf)[-_]?[\w-]{10,}",
        r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?",
        # addresses of people, with bounded lengths because the time has to be linear
        r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}",
        # numbers of cards
        r"\b(?:\d[ -]?){13,19}\b",
    )
)
#: Long words of letters and digits, such as keys and hashes.
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{20,}")


def redacted(text: str, more: Iterable[str] = ()) -> str:
    """A text without passwords, keys, tokens, addresses of people and numbers of cards. `more` are
    further regular expressions.

    A secret that looks like an ordinary word cannot be recognised.

    >>> redacted("login of ada@example.com with password=hunter2 failed")
    'login of [redacted] with [redacted] failed'
    """
    for pattern in (*map(re.compile, more), *_PATTERNS):
        text = pattern.sub(MARK, text)
    return _LONG.sub(_without_key, text)


def _without_key(match: re.Match[str]) -> str:
    word = match[0]
    has_digit = any(char.isdigit() for char in word)
    has_letter = any(char.isalpha() for char in word)
    # names of services and paths are words between hyphens
    longest = max(len(part) for part in re.split(r"[-_/=+]", word))
    return MARK if has_digit and has_letter and longest >= 12 else word
