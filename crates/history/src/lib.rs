//! History in SQLite: recorder and queries.
