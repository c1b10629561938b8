"""Networks as grey boxes of PyNumero."""
