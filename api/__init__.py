"""The HTTP service: takes jobs in, tells how they are, hands results out. It runs no model and decodes no image."""
