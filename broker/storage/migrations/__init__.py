"""One history of the schema for all databases, run by `broker.storage.database.upgrade`."""
