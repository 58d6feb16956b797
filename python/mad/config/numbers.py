"""Settings on the command line that are numbers by name, such as `rows=50000`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mad.errors import UsageError

_MOST = 2**40


def read_numbers(option: str, given: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """The numbers that the arguments of an option give, by name. `known` has the defaults.

    Raises `UsageError` for an unknown name and for a number that is not a positive integer below
    2^40.
    """
    read = {}
    for argument in given:
        name, _, number = argument.partition("=")
        if name not in known:
            raise UsageError(
                f"{option} {argument}: {name!r} is unknown", f"known are {', '.join(known)}"
            )
        if not number.isascii() or not number.isdigit() or not 1 <= int(number) < _MOST:
            raise UsageError(
                f"{option} {argument}: expected a positive integer",
                f"{option} {name}={known[name]}",
            )
        read[name] = int(number)
    return read
