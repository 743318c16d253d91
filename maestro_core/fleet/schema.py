"""Our tables beside PgQueuer's, in numbered steps that only an explicit install applies.

Connecting never changes a schema: `check` says in words what is wrong with it. Steps are
never edited once released; a new version is a new step.
"""

from __future__ import annotations

from importlib.metadata import version

from msgspec import Struct
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

from maestro_core.errors import BusError
from maestro_core.fleet.connect import Connection, Link

_LOCK = 0x6D61_6573_7472_6F

STEPS: tuple[str, ...] = (
    """
CREATE TABLE maestro_cadences (name text PRIMARY KEY, since timestamptz NOT NULL DEFAULT now());
CREATE TABLE maestro_consumers (
    number serial PRIMARY KEY,
    host text NOT NULL,
    version text NOT NULL DEFAULT '',
    since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX maestro_consumers_host ON maestro_consumers (host);
CREATE TABLE maestro_hosts (
    host text PRIMARY KEY,
    beat bytea,
    place text NOT NULL DEFAULT '',
    address text NOT NULL DEFAULT '',
    root text NOT NULL DEFAULT '',
    cadences text[] NOT NULL DEFAULT '{}',
    beat_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE maestro_gates (
    scope text NOT NULL,
    name text NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    document jsonb NOT NULL,
    updated timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scope, name)
);
CREATE TABLE maestro_commands (
    id text PRIMARY KEY,
    host text NOT NULL,
    document bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    ack bytea,
    acked timestamptz
);
CREATE INDEX maestro_commands_open ON maestro_commands (host, at) WHERE ack IS NULL;
CREATE TABLE maestro_audit (
    number bigserial PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    login text NOT NULL DEFAULT session_user,
    document jsonb NOT NULL
);
CREATE TABLE maestro_runs (
    run_id text PRIMARY KEY,
    host text NOT NULL,
    cadence text NOT NULL,
    tick_id text NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz,
    outcome text,
    model text,
    cost_usd float8 NOT NULL DEFAULT 0,
    seconds float8 NOT NULL DEFAULT 0,
    tokens bigint[] NOT NULL DEFAULT '{0,0,0,0}',
    words text NOT NULL DEFAULT '',
    document bytea NOT NULL
);
CREATE INDEX maestro_runs_started ON maestro_runs (started DESC, run_id);
CREATE INDEX maestro_runs_of_cadence ON maestro_runs (cadence, ended DESC) WHERE ended IS NOT NULL;
CREATE INDEX maestro_runs_cost ON maestro_runs (ended) INCLUDE (cost_usd) WHERE ended IS NOT NULL;
CREATE TABLE maestro_tails (
    run_id text PRIMARY KEY,
    host text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    tail bytea NOT NULL
);
CREATE TABLE maestro_trash (
    tick_id text PRIMARY KEY,
    cadence text NOT NULL,
    document bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX maestro_trash_at ON maestro_trash (at DESC, tick_id);
CREATE TABLE maestro_quarantine (
    number bigserial PRIMARY KEY,
    name text NOT NULL,
    reason text NOT NULL,
    content bytea,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE maestro_moves (
    move text NOT NULL,
    shelf text NOT NULL,
    tick_id text NOT NULL,
    document bytea,
    since timestamptz,
    PRIMARY KEY (move, shelf, tick_id)
);
CREATE UNIQUE INDEX maestro_tick_id ON pgqueuer ((headers ->> 'id')) WHERE headers ? 'id';
CREATE INDEX maestro_dead ON pgqueuer (updated DESC, id) WHERE status = 'failed';
CREATE INDEX maestro_dead_by_cadence ON pgqueuer (entrypoint, updated DESC, id)
    WHERE status = 'failed';
CREATE FUNCTION maestro_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('maestro_bus', TG_ARGV[0]);
    RETURN NULL;
END $$;
CREATE TRIGGER maestro_tell_queue AFTER INSERT OR UPDATE OF status, priority, execute_after
    OR DELETE ON pgqueuer
    FOR EACH ROW EXECUTE FUNCTION maestro_tell('queue');
CREATE TRIGGER maestro_tell_gates AFTER INSERT OR UPDATE OR DELETE ON maestro_gates
    FOR EACH STATEMENT EXECUTE FUNCTION maestro_tell('gates');
CREATE TRIGGER maestro_tell_hosts AFTER INSERT OR UPDATE OR DELETE ON maestro_hosts
    FOR EACH STATEMENT EXECUTE FUNCTION maestro_tell('hosts');
CREATE TRIGGER maestro_tell_commands AFTER INSERT OR UPDATE OR DELETE ON maestro_commands
    FOR EACH STATEMENT EXECUTE FUNCTION maestro_tell('commands');
CREATE TRIGGER maestro_tell_audit AFTER INSERT ON maestro_audit
    FOR EACH STATEMENT EXECUTE FUNCTION maestro_tell('audit');
CREATE TRIGGER maestro_tell_runs AFTER INSERT OR UPDATE OR DELETE ON maestro_runs
    FOR EACH STATEMENT EXECUTE FUNCTION maestro_tell('runs');
""",
)
VERSION = len(STEPS)


class SchemaState(Struct, frozen=True):
    """What is installed. `ours` 0 = nothing of it yet; `engine` None = no PgQueuer either."""

    ours: int
    engine: str | None

    @property
    def words(self) -> str | None:
        """What is wrong with it; None = it fits this program."""
        if self.ours == 0 or self.engine is None:
            return "the bus is not installed in this database"
        if self.ours < VERSION:
            return f"the bus has schema {self.ours}, this program needs {VERSION}"
        if self.ours > VERSION:
            return f"the bus has schema {self.ours}, this program only knows {VERSION}"
        return None

    @property
    def remedy(self) -> str:
        if self.ours > VERSION:
            return "install the newer maestro-tui here"
        return "run `maestro-tui bus install` once, with a role that may create tables"


def state(link: Link) -> SchemaState:
    """What is installed now."""
    return link.run(_state)


def check(link: Link) -> None:
    """BusError in words when the schema is not the one that this program knows."""
    found = state(link)
    if found.words is not None:
        raise BusError(f"{link.target.shown}: {found.words}", found.remedy)


def install(link: Link) -> list[str]:
    """Bring the schema to this program's version; what was done, a line each. Runs in one
    transaction: an interrupted install leaves everything as it was. Raises BusError."""
    return link.run(_install)


def _state(connection: Connection) -> SchemaState:
    [row] = connection.execute(
        "SELECT to_regclass('maestro_schema') AS ours, to_regclass('pgqueuer') AS engine"
    ).fetchall()
    if row["ours"] is None:
        return SchemaState(0, None)
    [said] = connection.execute("SELECT number, engine FROM maestro_schema").fetchall()
    return SchemaState(said["number"], said["engine"] if row["engine"] else None)


def _install(connection: Connection) -> list[str]:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock($1)", (_LOCK,))
        before = _state(connection)
        if before.ours > VERSION:
            raise BusError(before.words or "", before.remedy)
        done = _install_engine(connection)
        if before.ours == 0:
            connection.execute(
                "CREATE TABLE maestro_schema (number int NOT NULL, engine text NOT NULL,"
                " one boolean PRIMARY KEY DEFAULT true CHECK (one))"
            )
            connection.execute("INSERT INTO maestro_schema (number, engine) VALUES (0, '')")
        for number in range(before.ours, VERSION):
            connection.execute(STEPS[number])
            done.append(f"schema step {number + 1}")
        connection.execute(
            "UPDATE maestro_schema SET number = $1, engine = $2", (VERSION, version("pgqueuer"))
        )
    return done


def _install_engine(connection: Connection) -> list[str]:
    [row] = connection.execute("SELECT to_regclass('pgqueuer') AS there").fetchall()
    if row["there"] is not None:
        return []
    connection.execute(QueryBuilderEnvironment().build_install_query())
    return [f"PgQueuer {version('pgqueuer')}"]
