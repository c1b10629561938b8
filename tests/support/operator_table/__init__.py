"""The table of operators: one or more rows for each, by families, which drive every check in test_operators.py."""

from operator_table.activations import ACTIVATIONS
from operator_table.arithmetic import ARITHMETIC
from operator_table.choices import CHOICES
from operator_table.convolution import CONVOLUTIONS
from operator_table.functions import FUNCTIONS
from operator_table.graphs import GRAPHS, GraphRow
from operator_table.linear import LINEAR, SPARSE
from operator_table.normalizations import NORMALIZATIONS
from operator_table.reductions import REDUCTIONS, SUMS
from operator_table.row import Nodes, Row, Shape
from operator_table.shapes import SHAPES
from operator_table.trees import TREES

__all__ = ["GRAPHS", "ROWS", "GraphRow", "Nodes", "Row", "Shape"]

ROWS = [
    *ACTIVATIONS,
    *FUNCTIONS,
    *ARITHMETIC,
    *CHOICES,
    *TREES,
    *CONVOLUTIONS,
    *SPARSE,
    *REDUCTIONS,
    *LINEAR,
    *NORMALIZATIONS,
    *SUMS,
    *SHAPES,
]
