"""The Celery app, the batch pipeline from claim to commit, the engines and the steward."""
