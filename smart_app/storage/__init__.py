"""Everything the app keeps: tables, unit of work, encryption at rest, audit chain, migrations (SQLite or PostgreSQL).

``Units(open_database(url), KeyRing.load(path))`` is the way in; the repositories hang on a unit.
"""
