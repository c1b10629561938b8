"""Networks as Pyomo's algebra: variables, rows, and nested expressions."""
