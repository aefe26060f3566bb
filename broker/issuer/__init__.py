"""What one issuer is: its identifier, its keys, and the tokens that it signs."""
