"""Alembic's environment: runs on the connection that migrate.py hands over, in that connection's transaction."""

from alembic import context

from smart_app.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
