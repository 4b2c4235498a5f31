"""The endpoints, thin: each parses, calls one function and answers."""
