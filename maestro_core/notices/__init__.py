"""Telling people outside the console: what changed, once, not how things are."""
