"""What users give for a network's inputs and outputs in a Pyomo model: variables, names, units."""
