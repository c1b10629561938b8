"""How solutions move with parameters."""
