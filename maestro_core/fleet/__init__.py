"""The bus on a PostgreSQL server, for many machines: PgQueuer's queue with our rules around it.

Nothing outside imports this package before a bus of `postgresql://…` is configured: its
libraries are an optional extra (`maestro-tui[fleet]`).
"""
