# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False
"""Pyomo's expressions as flat arrays: one stream of nodes, in postorder, for a whole model.

Node i has the opcode `opcodes[i]` and `counts[i]` operands, which follow one another in `operands`. An operand is
`index * 4 + kind`: an earlier node (kind 0), a variable (1), a parameter (2), or an entry of `constants` (3).

Nothing recurses: an expression may be as deep as memory allows. An expression object that several others contain is
walked once. While a model is walked it must not change, so what is met on the way is not counted as referenced.
"""

from cpython.object cimport PyObject
from cython.operator cimport dereference
from libc.math cimport INFINITY, isfinite
from libc.stdint cimport int32_t, uint8_t
from libcpp.unordered_map cimport unordered_map
from libcpp.vector cimport vector

import numpy as np
from pyomo.common.numeric_types import (
    check_if_numeric_type,
    native_complex_types,
    native_logical_types,
    native_numeric_types,
    value,
)
from pyomo.core.base.boolean_var import BooleanVarData
from pyomo.core.base.constraint import AbstractScalarConstraint, ConstraintData, ScalarConstraint
from pyomo.core.base.expression import NamedExpressionData
from pyomo.core.base.external import _PythonCallbackFunctionID
from pyomo.core.base.param import ParamData, ScalarParam
from pyomo.core.base.units_container import _PyomoUnit
from pyomo.core.base.var import VarData
from pyomo.core.expr import logical_expr, numeric_expr, relational_expr
from pyomo.core.expr.base import NPV_Mixin
from pyomo.core.expr.boolean_value import BooleanConstant
from pyomo.core.expr.numvalue import NonNumericValue, NumericConstant

from fastexpr._core import tape_opcodes
from fastexpr.pyomo.bounds.looked_up import LookedUp
from fastexpr.errors import ModelError

cdef extern from "Python.h":
    PyObject* PyDict_GetItem(object, object)
    PyObject* PySequence_Fast_GET_ITEM(object, Py_ssize_t)
    PyObject* Py_TYPE(PyObject*)
    Py_ssize_t Py_REFCNT(PyObject*)
    double PyFloat_AS_DOUBLE(object)
    object PyByteArray_FromStringAndSize(const char*, Py_ssize_t)
    object PyBytes_FromStringAndSize(const char*, Py_ssize_t)

cdef size_t LARGEST_INDEX = (1 << 29) - 1  # operands are 32 bits, of which two are the kind
cdef int32_t UNFINISHED = -1               # instead of an operand: a named expression that is being walked

ctypedef PyObject* Address

cdef enum Kind:
    NODE, VARIABLE_KIND, PARAMETER_KIND, CONSTANT_KIND

cdef extern from "nlp/opcodes.hpp" namespace "fastexpr::nlp" nogil:
    const uint8_t SUM "fastexpr::nlp::sum", PRODUCT "fastexpr::nlp::product", DIVISION "fastexpr::nlp::division"
    const uint8_t NEGATION "fastexpr::nlp::negation", POWER "fastexpr::nlp::power", EXP "fastexpr::nlp::exp"
    const uint8_t ABS "fastexpr::nlp::abs", FLOOR "fastexpr::nlp::floor", MINIMUM "fastexpr::nlp::minimum"
    const uint8_t MAXIMUM "fastexpr::nlp::maximum", SELECT "fastexpr::nlp::select", LESS "fastexpr::nlp::less"
    const uint8_t LESS_EQUAL "fastexpr::nlp::less_equal", EQUAL "fastexpr::nlp::equal", AND "fastexpr::nlp::both"
    const uint8_t CALL "fastexpr::nlp::call", OUTPUT "fastexpr::nlp::output"
    double value_of(uint8_t, const double*, size_t)

# What to do with an object, by its class, where it is no node that is as in Pyomo: such have their opcodes.
cdef enum Code:
    NARY_SUM = 64, UNARY, INEQUALITY, RANGED, NOT, NOT_EQUAL, NARY_AND, NARY_OR, NAMED, TEMPLATE, EXTERNAL
    FIRST_LEAF
    FLOAT, NUMBER, CONSTANT, TEXT, VARIABLE, PARAMETER, SCALAR_PARAMETER, BOOLEAN, PLAIN_CONSTRAINT, UNSUPPORTED

# Truths are the numbers 0 and 1, so that Pyomo's logic needs no opcodes of its own: not a is a == 0, a or b is
# max(a, b), a implies b is a <= b.
_CLASSES = {
    numeric_expr.SumExpression: NARY_SUM,
    numeric_expr.ProductExpression: PRODUCT,
    numeric_expr.DivisionExpression: DIVISION,
    numeric_expr.NegationExpression: NEGATION,
    numeric_expr.PowExpression: POWER,
    numeric_expr.AbsExpression: ABS,
    numeric_expr.UnaryFunctionExpression: UNARY,
    numeric_expr.MinExpression: MINIMUM,
    numeric_expr.MaxExpression: MAXIMUM,
    numeric_expr.Expr_ifExpression: SELECT,
    numeric_expr.ExternalFunctionExpression: EXTERNAL,
    relational_expr.InequalityExpression: INEQUALITY,
    relational_expr.EqualityExpression: EQUAL,
    relational_expr.NotEqualExpression: NOT_EQUAL,
    relational_expr.RangedExpression: RANGED,
    logical_expr.NotExpression: NOT,
    logical_expr.AndExpression: NARY_AND,
    logical_expr.OrExpression: NARY_OR,
    logical_expr.XorExpression: NOT_EQUAL,
    logical_expr.EquivalenceExpression: EQUAL,
    logical_expr.ImplicationExpression: LESS_EQUAL,
    NamedExpressionData: NAMED,
    VarData: VARIABLE,
    ParamData: PARAMETER,
    ScalarParam: SCALAR_PARAMETER,
    LookedUp: PARAMETER,  # a limit that a transformation took into an expression
    BooleanVarData: BOOLEAN,
    NumericConstant: CONSTANT,
    BooleanConstant: CONSTANT,
    _PyomoUnit: CONSTANT,
    _PythonCallbackFunctionID: TEXT,
    NonNumericValue: TEXT,
    ConstraintData: PLAIN_CONSTRAINT,
    ScalarConstraint: PLAIN_CONSTRAINT,
    AbstractScalarConstraint: PLAIN_CONSTRAINT,
    float: FLOAT,
    int: NUMBER,
    bool: NUMBER,
    str: TEXT,
    bytes: TEXT,
}
cdef dict code_of_class = dict(_CLASSES)
cdef dict code_of_function = {name: code for name, code in tape_opcodes().items() if EXP <= code <= FLOOR}


cdef int classify(object thing) except -1:
    """The code of an object whose class was not met before; remembered for the class."""
    cls = type(thing)
    code = UNSUPPORTED
    for base in cls.__mro__:
        if base in _CLASSES:
            code = _CLASSES[base]
            break
    else:
        if cls in native_logical_types or cls in native_numeric_types or check_if_numeric_type(thing):
            code = NUMBER
    if hasattr(cls, "template_expr"):
        code = TEMPLATE  # turns into an object of the plain class when it is asked for its expression
    elif code == PLAIN_CONSTRAINT:
        code = UNSUPPORTED  # may hold its expression in another way
    code_of_class[cls] = code
    return code


cdef inline int code_of(object thing) except -1:
    cdef PyObject* found = PyDict_GetItem(code_of_class, type(thing))
    return <int><object>found if found != NULL else classify(thing)


cdef struct Value:
    int32_t operand  # index * 4 + kind; CONSTANT_KIND alone for a number that is not in the table of constants yet
    bint varies      # whether a variable is in it
    double number


cdef struct Frame:  # an expression whose operands are being walked
    PyObject* node
    PyObject* args
    int32_t n_operands
    int32_t position  # of the operand that is next
    size_t first      # of its operands on the stack of values
    int code
    bint is_shared
    int32_t target
    int32_t output


cdef object to_array(const void* data, size_t size, dtype):
    dtype = np.dtype(dtype)
    return np.frombuffer(PyByteArray_FromStringAndSize(<const char*>data, size * dtype.itemsize), dtype)


cdef bint is_not_variable(object thing) except -1:
    """Whether no variable can be in it, fixed or free: what Pyomo takes for a constraint's limit."""
    cdef int code = code_of(thing)
    if code == FLOAT or code == NUMBER or code == PARAMETER or code == SCALAR_PARAMETER or code == CONSTANT:
        return True
    return False if code == VARIABLE or code == NAMED else not thing.is_potentially_variable()


cdef bint is_number(object thing, double number) except -1:
    return type(thing) is float and PyFloat_AS_DOUBLE(thing) == number


cdef class Walker:
    """Collects the nodes of many expressions.

    Parameters
    ----------
    targets : object with a method `find(function, arguments) -> (target, output)`
        Tells what an external function is in the list of targets, and which of the target's outputs.
    """

    cdef vector[uint8_t] _opcodes
    cdef vector[int32_t] _counts, _operands, _rows
    cdef vector[double] _constants, _numbers
    cdef vector[Value] _values
    cdef vector[Frame] _frames
    cdef unordered_map[Address, Value] _known  # variables, parameters, and expressions with several owners
    cdef list _kept  # made on the way; alive, lest another object gets the address of a known one
    cdef object _targets, _owner
    cdef readonly list variables, parameters  # VarData by column; ParamData, fixed VarData and BooleanVarData by slot
    cdef readonly list named, contents        # named expressions, and what was in them
    cdef dict _calls  # nodes of calls by their operands
    cdef readonly list calls, arguments       # calls of external functions, and what was in them
    cdef readonly list constraints, expressions  # all constraints, and what was in them
    cdef readonly list row_constraints, lower, upper  # those that are rows, and their limits: expressions or None
    cdef readonly list constant_rows  # in which no variable occurs

    def __init__(self, targets):
        self._targets = targets
        self._kept = []
        self._calls = {}
        self.variables, self.parameters = [], []
        self.named, self.contents = [], []
        self.calls, self.arguments = [], []
        self.constraints, self.expressions = [], []
        self.row_constraints, self.lower, self.upper, self.constant_rows = [], [], [], []

    # ---- what goes in

    def add_expression(self, expression, owner, bint is_negated=False):
        """Walk one expression, or its negative, and return the operand that it became."""
        self._owner = owner
        self._kept.append(expression)
        self._begin()
        self._walk(expression)
        if is_negated:
            self._emit(NEGATION, 0)
        return self._settled(0)

    def add_constraints(self, constraints):
        """Walk the bodies of constraints, and note their limits; each becomes a row, unless it has no limits at all."""
        cdef int code
        for constraint in constraints:
            self._owner = constraint
            self._begin()
            code = code_of(constraint)
            if code == TEMPLATE:
                constraint.expr  # turns into an object of the plain class
                code = code_of(constraint)
            if code == PLAIN_CONSTRAINT:
                self._add_constraint(constraint, constraint._expr)
            else:
                self._add_bounded(constraint, None, (constraint.lower, constraint.body, constraint.upper))

    cdef int _add_constraint(self, constraint, expression) except -1:
        """As ConstraintData.to_bounded_expression, but for lhs - rhs, which needs no expression of its own."""
        cdef int code = code_of(expression)
        cdef bint is_equation = code == EQUAL
        if expression is None:
            return self._add_bounded(constraint, expression, (None, None, None))
        if code == RANGED:
            for limit in (expression._args_[0], expression._args_[2]):
                if not is_not_variable(limit) and not limit.is_fixed():
                    self._refuse("its limits contain variables", "fix them, or make it two constraints")
            return self._add_bounded(constraint, expression, tuple(expression._args_))
        if not is_equation and code != INEQUALITY:
            self._refuse(f"got {expression}, expected an equation or inequality", "change it")
        left, right = expression._args_
        if is_not_variable(right):
            return self._add_bounded(constraint, expression, (right if is_equation else None, left, right))
        if is_not_variable(left):
            return self._add_bounded(constraint, expression, (left, right, left if is_equation else None))
        self.constraints.append(constraint)
        self.expressions.append(expression)
        self._walk(left)
        self._walk(right)
        self._emit(NEGATION, 1)
        self._emit(SUM, 0)
        return self._add_row(constraint, 0.0 if is_equation else None, 0.0)

    cdef int _add_bounded(self, constraint, expression, tuple bounded) except -1:
        lower, body, upper = bounded
        self.constraints.append(constraint)
        self.expressions.append(expression)
        if (lower is None or is_number(lower, -INFINITY)) and (upper is None or is_number(upper, INFINITY)):
            return 0
        if expression is None:
            self._kept.append(body)
        self._walk(body)
        return self._add_row(constraint, lower, upper)

    cdef int _add_row(self, constraint, lower, upper) except -1:
        if not self._values[0].varies:
            self.constant_rows.append(len(self.row_constraints))
        self._rows.push_back(self._settled(0))
        self.row_constraints.append(constraint)
        self.lower.append(lower)
        self.upper.append(upper)
        return 0

    # ---- what comes out

    def take_arrays(self):
        """Opcodes, counts, operands, constants and rows, as arrays; the walk ends with that."""
        arrays = (
            to_array(self._opcodes.data(), self._opcodes.size(), np.uint8),
            to_array(self._counts.data(), self._counts.size(), np.int32),
            to_array(self._operands.data(), self._operands.size(), np.int32),
            to_array(self._constants.data(), self._constants.size(), np.float64),
            to_array(self._rows.data(), self._rows.size(), np.int32),
        )
        self._opcodes = vector[uint8_t]()
        self._counts = self._operands = self._rows = vector[int32_t]()
        self._constants = vector[double]()
        self._known = unordered_map[Address, Value]()
        self._kept = []
        return arrays

    # ---- the walk

    cdef void _begin(self):
        cdef Frame frame
        for frame in self._frames:  # left by an expression that was refused
            if frame.code == NAMED:
                self._known.erase(frame.node)
        self._values.clear()
        self._frames.clear()

    cdef int _walk(self, object root) except -1:
        """Leaves the value of an expression on top of the stack."""
        cdef Frame* frame
        self._enter(root, True)
        while not self._frames.empty():
            frame = &self._frames.back()
            if frame.position < frame.n_operands:
                frame.position += 1
                self._enter_operand(PySequence_Fast_GET_ITEM(<object>frame.args, frame.position - 1))
            else:
                self._leave()
        return 0

    cdef int _enter_operand(self, PyObject* thing) except -1:
        cdef bint is_shared = Py_REFCNT(thing) > 1  # asked before Cython adds a reference of its own
        return self._enter(<object>thing, is_shared)

    cdef int _enter(self, object thing, bint is_shared) except -1:
        """Puts a leaf on the stack of values, or opens an expression."""
        cdef int code = code_of(thing)
        if code == FLOAT:
            self._push_number(PyFloat_AS_DOUBLE(thing))
        elif code == VARIABLE or code == PARAMETER:
            if not self._push_known(<PyObject*>thing):
                self._push_place(thing, code)
        elif code < FIRST_LEAF:
            is_shared = is_shared or code == NAMED
            if not (is_shared and self._push_known(<PyObject*>thing)):
                self._open(thing, code, is_shared)
            elif self._values.back().operand == UNFINISHED:
                self._refuse(f"'{thing.name}' contains itself", "change one of the expressions in it")
        elif code == NUMBER:
            self._push_number(self._number(thing))
        elif code == CONSTANT:
            self._push_number(self._number(thing.value))
        elif code == SCALAR_PARAMETER:
            if not thing._constructed:
                self._refuse(f"the Param '{thing.name}' is not constructed", "create an instance of the model first")
            if not thing._mutable:
                self._push_number(self._number(value(thing)))
            elif not self._push_known(<PyObject*>thing):
                self._push_place(thing, PARAMETER)
        elif code == BOOLEAN:
            if not thing.fixed:
                self._refuse(f"the Boolean variable '{thing.name}' is free", "fix it")
            if not self._push_known(<PyObject*>thing):
                self._push_place(thing, PARAMETER)
        elif code == TEXT:
            if self._frames.empty() or self._frames.back().code != CALL:
                self._refuse(f"got {thing!r}, expected a number", "texts are arguments of external functions only")
        else:
            self._refuse_class(thing)
        return 0

    cdef int _open(self, object node, int code, bint is_shared) except -1:
        """A frame for an expression, with its code made more precise."""
        cdef Frame frame
        cdef Value unfinished
        cdef object args
        unfinished.operand = UNFINISHED
        if code == TEMPLATE:
            args = node.expr  # turns the node into an object of the plain class
            return self._enter(node, is_shared)
        args = node._args_
        if type(args) is not tuple and type(args) is not list:
            args = tuple(args)
            self._kept.append(args)
        frame.n_operands = len(args)
        frame.target = frame.output = 0
        if code == NARY_SUM:
            frame.n_operands = node._nargs  # sums that grow from one another share a list
            code = SUM
        elif code == UNARY:
            name = node._name
            if name not in code_of_function:
                self._refuse(f"there is no function '{name}'", "use one of " + ", ".join(code_of_function))
            code = code_of_function[name]
        elif code == NAMED:
            if args[0] is None:
                self._refuse(f"'{node.name}' has no expression", "set it")
            self.named.append(node)
            self.contents.append(args[0])
            self._known[<PyObject*>node] = unfinished
        elif code == INEQUALITY:
            code = LESS if node._strict else LESS_EQUAL
        elif code == NARY_AND or code == NARY_OR:
            frame.n_operands = node._nargs
            code = MINIMUM if code == NARY_AND else MAXIMUM
        elif code == EXTERNAL:
            self.calls.append(node)
            self.arguments.append(args)
            frame.target, frame.output = self._targets.find(node._fcn, args)
            code = CALL
        frame.node = <PyObject*>node
        frame.args = <PyObject*>args
        frame.position = 0
        frame.first = self._values.size()
        frame.code = code
        frame.is_shared = is_shared
        self._frames.push_back(frame)
        return 0

    cdef int _leave(self) except -1:
        """Puts one value in the place of the operands' values."""
        cdef Frame frame = self._frames.back()
        cdef Value low, middle, high
        self._frames.pop_back()
        if frame.code == CALL:
            self._emit_call(frame)
        elif frame.code == RANGED:
            strict_low, strict_high = (<object>frame.node)._strict
            low, middle, high = self._values[frame.first], self._values[frame.first + 1], self._values[frame.first + 2]
            self._values.pop_back()
            self._emit(LESS if strict_low else LESS_EQUAL, frame.first)
            self._values.push_back(middle)
            self._values.push_back(high)
            self._emit(LESS if strict_high else LESS_EQUAL, frame.first + 1)
            self._emit(AND, frame.first)
        elif frame.code == NOT or frame.code == NOT_EQUAL:
            if frame.code == NOT_EQUAL:
                self._emit(EQUAL, frame.first)
            self._push_number(0.0)
            self._emit(EQUAL, frame.first)
        elif frame.code != NAMED:
            self._emit(frame.code, frame.first)
        if frame.is_shared:
            self._known[frame.node] = self._values.back()
        return 0

    # ---- values and nodes

    cdef void _push_number(self, double number):
        cdef Value constant
        constant.operand = CONSTANT_KIND
        constant.varies = False
        constant.number = number
        self._values.push_back(constant)

    cdef bint _push_known(self, PyObject* thing):
        found = self._known.find(thing)
        if found == self._known.end():
            return False
        self._values.push_back(dereference(found).second)
        return True

    cdef int _push_place(self, object thing, int code) except -1:
        """A column for a free variable that is met for the first time; a slot for what is fixed, but may change."""
        cdef Value place
        cdef list things = self.parameters
        cdef int kind = PARAMETER_KIND
        if code == VARIABLE and not thing._fixed:
            things, kind = self.variables, VARIABLE_KIND
        place.operand = len(things) * 4 + kind
        place.varies = kind == VARIABLE_KIND
        place.number = 0.0
        things.append(thing)
        self._known[<PyObject*>thing] = place
        self._values.push_back(place)
        return 0

    cdef int32_t _settled(self, size_t position):
        """The operand that stands for a value; a number goes into the table of constants now that it is used."""
        cdef Value* settled = &self._values[position]
        if settled.operand == CONSTANT_KIND:
            self._constants.push_back(settled.number)
            return <int32_t>((self._constants.size() - 1) * 4 + CONSTANT_KIND)
        return settled.operand

    cdef int _emit(self, int opcode, size_t first) except -1:
        """A node whose operands are the values from `first` on; its value takes their place."""
        cdef size_t n_operands = self._values.size() - first
        cdef bint is_constant = True
        cdef bint varies = False
        cdef size_t i
        cdef double number
        if n_operands == 0:
            self._push_number(1.0 if opcode == MINIMUM else 0.0)  # of nothing, all are true, and the sum is zero
            return 0
        if n_operands == 1 and (opcode == SUM or opcode == MINIMUM or opcode == MAXIMUM):
            return 0
        for i in range(first, self._values.size()):
            is_constant = is_constant and self._values[i].operand == CONSTANT_KIND
            varies = varies or self._values[i].varies
        if is_constant:
            self._numbers.clear()
            for i in range(first, self._values.size()):
                self._numbers.push_back(self._values[i].number)
            number = value_of(<uint8_t>opcode, self._numbers.data(), n_operands)
            if isfinite(number):  # whether another is an error depends on whether it is ever used
                self._values.resize(first)
                self._push_number(number)
                return 0
        for i in range(first, self._values.size()):
            self._operands.push_back(self._settled(i))
        return self._add_node(opcode, n_operands, first, varies)

    cdef int _emit_call(self, const Frame& frame) except -1:
        """An output of a call; equal calls are one node, however many of the outputs the model uses."""
        cdef bint varies = False
        cdef size_t i, begin = self._operands.size()
        cdef size_t n_operands = 1 + self._values.size() - frame.first
        cdef Value call
        self._operands.push_back(frame.target)
        for i in range(frame.first, self._values.size()):
            varies = varies or self._values[i].varies
            self._operands.push_back(self._settled(i))
        key = PyBytes_FromStringAndSize(<const char*>&self._operands[begin], n_operands * sizeof(int32_t))
        operand = self._calls.get(key)
        if operand is None:
            self._add_node(CALL, n_operands, frame.first, varies)
            operand = self._calls[key] = self._values.back().operand
        else:
            self._operands.resize(begin)
        self._operands.push_back(frame.output)
        self._operands.push_back(operand)
        return self._add_node(OUTPUT, 2, frame.first, varies)

    cdef int _add_node(self, int opcode, size_t n_operands, size_t first, bint varies) except -1:
        cdef Value node
        if self._opcodes.size() >= LARGEST_INDEX:
            self._refuse("the model has too many nodes", f"expected at most {LARGEST_INDEX}")
        node.operand = <int32_t>(self._opcodes.size() * 4 + NODE)
        node.varies = varies
        node.number = 0.0
        self._opcodes.push_back(<uint8_t>opcode)
        self._counts.push_back(<int32_t>n_operands)
        self._values.resize(first)
        self._values.push_back(node)
        return 0

    # ---- what cannot be

    cdef double _number(self, object thing) except? -1.0:
        try:
            return float(thing)
        except (TypeError, ValueError, OverflowError) as error:
            self._refuse(f"got {thing!r}, expected a real number that fits into a double ({error})", "change the model")

    cdef int _refuse(self, problem, remedy) except -1:
        kind = getattr(self._owner, "ctype", type(self._owner)).__name__
        name = getattr(self._owner, "name", "")
        raise ModelError(f"[{kind} '{name}'] {problem}. What to do: {remedy}.")

    cdef int _refuse_class(self, object thing) except -1:
        cls = type(thing)
        if cls in native_complex_types:
            self._refuse(f"got the complex number {thing!r}, expected a real one", "change the model")
        self._refuse(
            f"got an object of class {cls.__module__}.{cls.__name__}, which is no part of an algebraic expression",
            "replace it, or use another solver",
        )
