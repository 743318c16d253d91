"""The console: shows an agent root and drops operator commands. Owns no queue logic."""
