"""Global options may stand anywhere: they are moved to where the parser expects them."""

from __future__ import annotations

from collections.abc import Sequence

_WITH_VALUE = ("--url", "--api-key")
_FLAGS = ("--quiet", "-q")


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Move global options before the command; what follows `--` stays as it is."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            return [*front, *rest, argument, *waiting]
        if argument in _FLAGS or argument.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            front.append(argument)
        elif argument in _WITH_VALUE:
            front += [argument, *([value] if (value := next(waiting, None)) is not None else [])]
        else:
            rest.append(argument)
    return [*front, *rest]
