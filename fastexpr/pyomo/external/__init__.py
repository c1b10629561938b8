"""Networks as external functions, and what solvers need to call them."""
