"""What the API and the workers agree on: settings, errors, states, tables, queries, storage and file formats."""
