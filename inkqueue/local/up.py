"""`inkqueue up`: start the stack, tell the person what is where, serve until Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
import time
from types import FrameType

from rich.console import Console

from inkqueue.local import launch
from inkqueue.local.errors import LocalStackError
from inkqueue.local.sample import SampleRun
from inkqueue.local.stack import Stack, StackOptions
from inkqueue.local.supervisor import Interrupted

TICK_S = 0.2
LOGS_EVERY_S = 5.0
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    options: StackOptions,
    *,
    sample: bool = False,
    exit_when_done: bool = False,
    stop_with_parent: bool = False,
) -> int:
    """Run the stack in the foreground.

    Args:
        options: home folder, address and number of workers.
        sample: submit the bundled images once the service is ready, and show what they say.
        exit_when_done: stop after the sample instead of serving on.
        stop_with_parent: stop when the process that started this one dies.

    Returns:
        0 after a clean stop, 1 when the stack could not start or the sample failed.
    """
    console = Console(highlight=False)
    stack = Stack(options, lambda text: console.print(f"[dim]·[/] {text}", soft_wrap=True))
    _listen(stack)
    parent = os.getppid() if stop_with_parent else 0
    if parent:
        launch.signal_when_parent_dies(signal.SIGTERM)
    code = 0
    try:
        began = time.monotonic()
        console.print(f"Starting inkqueue on [bold]{stack.home.path}[/]", soft_wrap=True)
        stack.start()
        console.print(f"[green]inkqueue is ready[/] ({time.monotonic() - began:.1f} s)")
        code = _serve(stack, console, sample=sample, exit_when_done=exit_when_done, parent=parent)
    except Interrupted:
        console.print("\nStopping …")
    except LocalStackError as error:
        if not stack.supervisor.requests_to_stop:
            Console(stderr=True, highlight=False).print(f"[red]inkqueue:[/] {error}", soft_wrap=True)
            code = 1
    finally:
        stack.stop()
        console.show_cursor()  # a progress bar that was cut off has hidden it
    return code


def _serve(stack: Stack, console: Console, *, sample: bool, exit_when_done: bool, parent: int) -> int:
    """Keep the stack running; return when the sample is done and nothing else is wanted."""
    _tell(stack, console)
    run_of_sample = SampleRun(stack.url, console) if sample else None
    if run_of_sample is not None:
        threading.Thread(target=run_of_sample.run, name="sample", daemon=True).start()
    logs_due, interrupted = 0.0, 0
    while True:
        stack.supervisor.tick()
        interrupted = interrupted + 1 if parent and launch.is_interrupted(parent) else 0
        if interrupted > 1:  # not the short moment in which make blocks signals to start something
            raise Interrupted
        if time.monotonic() > logs_due:
            stack.supervisor.keep_logs_small()
            logs_due = time.monotonic() + LOGS_EVERY_S
        if exit_when_done and (run_of_sample is None or run_of_sample.done.is_set()):
            return 0 if run_of_sample is None or run_of_sample.succeeded else 1
        time.sleep(TICK_S)


def _tell(stack: Stack, console: Console) -> None:
    """Print every address that a person may need, and keep the three URLs in a file."""
    exports = [f"export {name}={shlex.quote(url)}" for name, url in sorted(stack.urls.items())]
    file = stack.home.write_urls({**stack.urls, **stack.models(), "INKQUEUE_PORT": str(stack.options.port)})
    public = stack.public_url
    lines = [
        f"  Page        {public}/",
        f"  API docs    {public}/docs",
        f"  Logs        {stack.home.logs}",
        f"  Join with more workers from any folder (these lines are in {file}):",
        *(f"    {line}" for line in exports),
        f"    {sys.executable} -m inkqueue worker",
        "  Ctrl-C stops everything.",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)


def _listen(stack: Stack) -> None:
    """Turn Ctrl-C and its kin into a request to stop; the second one hurries."""

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stack.supervisor.requests_to_stop += 1

    for number in STOPPING:
        signal.signal(number, ask_to_stop)
