"""A deterministic simulation of an agent's months: `python -m tests.simulation --help`.

One seed makes one history: producers, operators, children, crashes, power cuts and disk
faults, around the real consumer on the real directory engine. Only the outside is simulated:
the disk (disk.py), the children (children.py), time and the people (world.py).
"""
