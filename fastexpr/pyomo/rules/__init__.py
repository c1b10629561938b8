"""Boolean rules in Pyomo models."""
