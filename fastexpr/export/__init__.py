"""Functions handed to other systems: CasADi, JAX, PyTorch, SymPy, LaTeX, and C code that stands alone."""
