"""Adapter: the database. Everything that knows SQL, and the sealing of what must not lie in it in clear."""
