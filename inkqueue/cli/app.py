"""The commands of `inkqueue`, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from inkqueue.cli import changing, keys, looking, machine, packaging, results, reviews, submitting, webhooks
from inkqueue.cli.errors import ToldErrors
from inkqueue.cli.exits import MEANINGS
from inkqueue.cli.session import Session

EPILOG = "\n\n".join(["Exit codes:", *(f"{code.value:>3}  {text}" for code, text in MEANINGS.items())])

app = typer.Typer(
    cls=ToldErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from inkqueue._version import __version__

        print(f"inkqueue {__version__}")
        raise typer.Exit


@app.callback()
def _globals(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(envvar="INKQUEUE_URL", help="Address of the service. (default: http://127.0.0.1:8000)"),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="INKQUEUE_API_KEY",
            show_envvar=True,
            help="Key for a service that asks for one. Better in the variable: a list of processes shows arguments.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Read handwriting on images and scanned forms, many at a time.

    Data goes to stdout, progress and messages to stderr. Global options may stand anywhere.
    """
    ctx.obj = Session(url, api_key, quiet)


for module in (machine, submitting, looking, results, changing):
    for name, command in module.COMMANDS.items():
        app.command(name)(command)
app.add_typer(packaging.app, name="model")
app.add_typer(keys.app, name="keys")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(reviews.app, name="review")
