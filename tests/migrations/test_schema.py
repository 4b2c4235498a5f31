"""The schema: made by migrations alone, equal to the tables of the code, safe to change under old workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.db import Database
from shared.jobs.commit import commit_finished
from shared.migrate import alembic_config, migrate
from shared.status import TRANSITIONS
from shared.tables import metadata
from tests.migrations import catalog
from tests.queue_driver import execute, finished, row, submit, take
from tests.services import sqlalchemy_url

EXPAND = """\"\"\"A schema that is one release ahead: only additions, as every expanding migration.\"\"\"

from alembic import op

revision = "9999"
down_revision = {head!r}


def upgrade() -> None:
    op.execute("ALTER TABLE jobs ADD COLUMN next_feature text")
    op.execute("ALTER TABLE chunks ADD COLUMN next_feature integer DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE items ADD COLUMN next_feature jsonb")
    op.execute("ALTER TABLE inputs ADD COLUMN next_feature boolean DEFAULT false NOT NULL")
    op.execute("CREATE TABLE next_things (id uuid PRIMARY KEY, job_id uuid NOT NULL)")
    op.execute("CREATE INDEX chunks_next ON chunks (next_feature, id) WHERE state = 'pending'")
"""


pytestmark = pytest.mark.check


@pytest.fixture
def next_config(tmp_path: Path) -> Iterator[Config]:
    """Return a configuration that knows our migrations and one more, as the next release brings."""
    config = alembic_config()
    head = ScriptDirectory.from_config(config).get_current_head()
    (tmp_path / "9999_next.py").write_text(EXPAND.format(head=head))
    ours = Path(config.get_main_option("script_location") or "") / "versions"
    config.set_main_option("version_locations", f"{ours}:{tmp_path}")
    return config


def test_the_schema_goes_up_down_and_up_again(empty_db_url: str) -> None:
    """Down leaves nothing behind; the second way up ends where the first did."""
    url = sqlalchemy_url(empty_db_url)
    migrate(url)
    first = catalog.everything(empty_db_url)
    migrate(url, "base")
    nothing = catalog.relations(empty_db_url) + catalog.everything(empty_db_url)
    migrate(url)
    second = catalog.everything(empty_db_url)

    assert nothing == []
    assert second == first
    assert len(first) > 100


def test_each_revision_can_be_stepped_back_and_forth(empty_db_url: str) -> None:
    """One step down and up again changes nothing, for each revision."""
    url = sqlalchemy_url(empty_db_url)
    revisions = list(ScriptDirectory.from_config(alembic_config()).walk_revisions())[::-1]
    for revision in revisions:
        migrate(url, revision.revision)
        there = catalog.everything(empty_db_url)
        migrate(url, "-1")
        migrate(url, revision.revision)
        assert catalog.everything(empty_db_url) == there


def test_there_is_one_line_of_migrations() -> None:
    """Two heads would leave the schema to chance."""
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


def test_migrating_twice_changes_nothing(db_url: str) -> None:
    """A second start of the migrate container finds nothing to do and loses nothing."""
    before = catalog.everything(db_url)
    migrate(sqlalchemy_url(db_url))
    assert catalog.everything(db_url) == before


def test_alembic_sees_no_drift(db_url: str) -> None:
    """Alembic's own comparison of the tables in the code with the migrated database is empty."""

    def ours(name: str | None, kind: str, _parents: object) -> bool:
        return not (kind == "table" and (name or "").startswith("items_"))

    engine = sa.create_engine(sqlalchemy_url(db_url), poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": ours})
        assert compare_metadata(context, metadata) == []


def test_the_tables_of_the_code_are_the_migrated_ones(db_url: str, empty_db_url: str) -> None:
    """Every column, default, key, check and index agrees, in PostgreSQL's own words."""
    engine = sa.create_engine(sqlalchemy_url(empty_db_url), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        metadata.create_all(connection)

    assert catalog.shape(empty_db_url) == catalog.shape(db_url)


def test_the_database_knows_the_transitions_of_the_code(db_url: str) -> None:
    """The table that the trigger asks holds exactly the pairs of `shared.status`."""
    with psycopg.connect(db_url) as connection:
        found = set(connection.execute("SELECT from_status, to_status FROM job_transitions"))

    assert found == {(str(a), str(b)) for a, after in TRANSITIONS.items() for b in after}


def test_an_old_worker_works_beside_the_next_schema(
    database: Database, db_url: str, next_config: Config
) -> None:
    """Submit, claim and commit of this release run on a schema that is one expanding migration ahead."""
    before = submit(database, [(0, 2), (2, 4)])
    held = take(database)[0]
    upgrade(db_url, next_config)
    after = submit(database, [(0, 3)])

    commit_finished(database, [finished(held)], results_ttl_s=60.0)
    while claimed := take(database):
        commit_finished(database, [finished(claimed[0])], results_ttl_s=60.0)

    assert [row(database, "SELECT version_num FROM alembic_version").version_num] == ["9999"]
    for job_id, items in ((before, 4), (after, 3)):
        job = row(database, "SELECT status, succeeded FROM jobs WHERE id = :id", id=job_id)
        assert (job.status, job.succeeded) == ("succeeded", items)
        assert row(database, "SELECT count(*) AS n FROM items WHERE job_id = :id", id=job_id).n == items


def test_a_migration_does_not_wait_behind_a_long_transaction(
    database: Database, db_url: str, next_config: Config
) -> None:
    """A migration that cannot get its lock gives up within seconds, and the queue goes on meanwhile."""
    with psycopg.connect(db_url) as holder:
        holder.execute("LOCK TABLE jobs IN ROW EXCLUSIVE MODE")
        with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
            upgrade(db_url, next_config)
    execute(database, "SELECT 1")
    assert row(database, "SELECT version_num FROM alembic_version").version_num != "9999"


def upgrade(db_url: str, config: Config) -> None:
    """Go to the newest revision that this configuration knows."""
    with sa.create_engine(sqlalchemy_url(db_url), poolclass=sa.pool.NullPool).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
