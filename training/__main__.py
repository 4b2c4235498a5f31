"""Start the laboratory's commands."""

from training.commands import app

app()
