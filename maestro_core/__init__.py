"""The core of maestro: bus, consumer, sub-sessions, operator commands. Knows no screen."""

__version__ = "0.1.0"
