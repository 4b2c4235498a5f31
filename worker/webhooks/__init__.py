"""The sender of webhooks, which runs in the steward's process; several beside each other are harmless."""
