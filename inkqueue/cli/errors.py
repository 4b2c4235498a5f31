"""How errors are told: one sentence, what can be done, an exit code; never a traceback."""

from __future__ import annotations

import os
import sys

import typer
from typer.core import TyperGroup

from inkqueue.cli.exits import Exit, exit_of_error
from inkqueue.exceptions import ApiError, InkqueueError


class Failure(Exception):
    """A command cannot go on: what is wrong, what can be done, and the exit code."""

    def __init__(self, message: str, hint: str = "", code: Exit = Exit.UNEXPECTED) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


class ToldErrors(TyperGroup):
    """A group of commands whose errors are told in words."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override] # typer's context class differs by version
        """Run a command and turn its errors into exit codes."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(128 + 13) from None  # As if killed by SIGPIPE, which shells expect.
        except Failure as failure:
            tell(str(failure), failure.hint)
            raise typer.Exit(failure.code) from None
        except InkqueueError as error:
            tell(str(error) + _reference(error), error.hint)
            raise typer.Exit(exit_of_error(error)) from None
        except OSError as error:
            tell(f"{error.filename}: {error.strerror}." if error.filename and error.strerror else str(error))
            raise typer.Exit(exit_of_error(error)) from None


def tell(message: str, hint: str = "") -> None:
    """Print what is wrong and what can be done to stderr."""
    print(f"inkqueue: {message}", file=sys.stderr)
    if hint:
        print(f"  {hint}", file=sys.stderr)


def _reference(error: InkqueueError) -> str:
    """Name the request where its log lines will be asked for."""
    if isinstance(error, ApiError) and error.status >= 500 and error.request_id:
        return f" (request {error.request_id})"
    return ""
