"""Widgets on the line API: they paint what presentation/ gives them and do no I/O."""
