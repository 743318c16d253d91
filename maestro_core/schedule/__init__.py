"""Schedules: which due times there are, who enqueues them, and that none is enqueued twice."""
