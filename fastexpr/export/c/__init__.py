"""A program printed as C99 that stands alone.

`functions` is the C text that every file may need, `numbers` writes tables and index expressions, `writer` has a block
of code for each kind of statement and pass, `file` puts the file together.
"""
