"""Start the laboratory's commands."""

from training.entry import main

main()
