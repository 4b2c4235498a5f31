"""API keys: how they look, how they are kept, and the sessions of people who signed in with one."""
