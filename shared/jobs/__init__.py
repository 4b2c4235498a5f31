"""Every query on jobs: submit, claim, commit, stop, sweep, read. Each says what it guarantees under concurrency."""
