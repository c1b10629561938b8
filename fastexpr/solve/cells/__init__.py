"""Programs with kinks: from cell to cell, each a smooth program, and what may be claimed at the end."""
