"""The service under fire: a seeded fault injector, its load, and what must hold afterwards."""
