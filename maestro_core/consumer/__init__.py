"""The one consumer of an agent root: claims ticks, runs them, holds what must wait.

Read policy and breaker (pure) first, then loop (one pass), then driver (waits between passes).
"""
