"""Proofs with real processes: killed, frozen, cut off from their database, without room on the disk."""
