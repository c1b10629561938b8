"""The solver 'fastexpr' of Pyomo's factories, and what follows a solve."""
