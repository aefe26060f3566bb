"""THE REALM → WHAT THE BROKER NEEDS OF IT: wanted (from `realm-config/`), compare, warnings, plan."""
