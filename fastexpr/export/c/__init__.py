"""A program printed as C99 that stands alone.

`functions` is the C text that every file may need, `numbers` writes tables and index expressions; `values`, `adjoints`
and `tangents` have a block of code for each kind of statement, `file` puts the file together.
"""
