"""What a console and the reading commands see of a fleet: its server as parts of a snapshot, its
runs, dead letters, costs and audit. Only reads; a role that may only read is enough.
"""
