# distutils: language = c++
# cython: language_level=3, boundscheck=False, wraparound=False
"""What may change in a Pyomo model from one solve to the next, read in bulk: values, bounds, limits, what is fixed."""

from libc.math cimport INFINITY, isnan
from libcpp.vector cimport vector

import numpy as np
from pyomo.common.numeric_types import value
from pyomo.core.base.boolean_var import BooleanVarData
from pyomo.core.base.param import ParamData
from pyomo.core.base.var import VarData
from pyomo.core.expr.numvalue import is_potentially_variable

from fastexpr.errors import ModelError

cdef extern from "Python.h":
    object PyByteArray_FromStringAndSize(const char*, Py_ssize_t)
    double PyFloat_AS_DOUBLE(object)


cdef object to_array(const vector[double]& numbers):
    return np.frombuffer(PyByteArray_FromStringAndSize(<const char*>numbers.data(), numbers.size() * sizeof(double)))


cdef object label(object owner):
    return f"[{owner.parent_component().ctype.__name__} '{owner.name}']"


cdef double number(object thing, object owner, what) except? -1.0:
    """The value of a number, a component or an expression without variables that are free."""
    if type(thing) is float:
        return PyFloat_AS_DOUBLE(thing)
    try:
        found = value(thing, exception=False)
        return float(found.item() if isinstance(found, np.ndarray) else found)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ModelError(f"{label(owner)} {what} is no real number: got {thing} ({error}). Give it a value.") from None


def parameter_values(list parameters):
    """(n,): the values of Params, fixed variables and fixed Boolean variables.

    Raises
    ------
    ModelError
        One has no value, or one that is no real number.
    """
    cdef vector[double] numbers
    numbers.reserve(len(parameters))
    for parameter in parameters:
        # the stored value, where no class may have its own way to it
        thing = parameter._value if type(parameter) is ParamData or type(parameter) is VarData else parameter
        numbers.push_back(number(thing, parameter, "the value"))
    return to_array(numbers)


cdef double bound(object thing, object of_domain, double unbounded, object variable) except? -1.0:
    """The tighter one of a variable's own bound and its domain's."""
    cdef double own = unbounded if thing is None else number(thing, variable, "a bound")
    cdef double other = unbounded if of_domain is None else <double>of_domain
    if isnan(own) or own == -unbounded:
        side = "lower" if unbounded < 0.0 else "upper"
        raise ModelError(f"{label(variable)} has no sensible {side} bound: got {own}. Change it, or set it to None.")
    return max(own, other) if unbounded < 0.0 else min(own, other)


def variable_data(list variables):
    """Starting values, lower and upper bounds of variables, as three arrays.

    A variable without a value starts at zero, or at the bound that is nearest to zero. The bounds are those of the
    domain, too; infinite where there is none.

    Raises
    ------
    ModelError
        A bound that is not a number.
    """
    cdef vector[double] start, lower, upper
    cdef double low, high
    cdef dict bounds_of = {}
    start.reserve(len(variables))
    lower.reserve(len(variables))
    upper.reserve(len(variables))
    for variable in variables:
        domain = variable._domain
        bounds = bounds_of.get(id(domain))
        if bounds is None:
            bounds = bounds_of[id(domain)] = domain.bounds()
        low = bound(variable._lb, bounds[0], -INFINITY, variable)
        high = bound(variable._ub, bounds[1], INFINITY, variable)
        lower.push_back(low)
        upper.push_back(high)
        if variable._value is None:
            start.push_back(low if low > 0.0 else high if high < 0.0 else 0.0)
        else:
            start.push_back(number(variable._value, variable, "the value"))
    return to_array(start), to_array(lower), to_array(upper)


cdef double limit(object thing, double unbounded, object constraint) except? -1.0:
    cdef double found
    if thing is None:
        return unbounded
    found = number(thing, constraint, "a limit")
    if isnan(found) or found == -unbounded:
        side = "lower" if unbounded < 0.0 else "upper"
        raise ModelError(f"{label(constraint)} has no sensible {side} limit: got {found}. Change it, or leave it out.")
    if type(thing) is not float and is_potentially_variable(thing) and not thing.is_fixed():
        raise ModelError(f"{label(constraint)} its limits contain variables. Fix them, or make it two constraints.")
    return found


def limits(list constraints, list lower, list upper):
    """The values of the limits of constraints, which may be expressions, or None; as two arrays.

    Raises
    ------
    ModelError
        A limit that is not a number, or that contains a free variable.
    """
    cdef vector[double] low, high
    cdef Py_ssize_t i
    low.reserve(len(constraints))
    high.reserve(len(constraints))
    for i in range(len(constraints)):
        low.push_back(limit(lower[i], -INFINITY, constraints[i]))
        high.push_back(limit(upper[i], INFINITY, constraints[i]))
    return to_array(low), to_array(high)


def not_continuous(list variables):
    """The variables whose domain is not an interval of the reals."""
    cdef dict is_continuous = {}
    cdef list found = []
    for variable in variables:
        domain = variable._domain
        answer = is_continuous.get(id(domain))
        if answer is None:
            answer = is_continuous[id(domain)] = variable.is_continuous()
        if not answer:
            found.append(variable)
    return found


def components_of(list variables):
    """The components that variables are members of, each once."""
    cdef dict found = {}
    for variable in variables:
        reference = variable._component  # the same weak reference for all members of a component
        if id(reference) not in found:
            found[id(reference)] = variable.parent_component()
    return list(found.values())


def are_fixed(list things, bint expected):
    """Whether all variables among these are fixed, or all are free; others do not matter."""
    for thing in things:
        if isinstance(thing, VarData):
            if thing._fixed is not expected:
                return False
        elif isinstance(thing, BooleanVarData) and thing.fixed is not expected:
            return False
    return True


def are_same(things, list expected):
    """Whether an iterable gives these objects, in this order, and no others."""
    cdef Py_ssize_t i = 0
    cdef Py_ssize_t n = len(expected)
    for thing in things:
        if i == n or thing is not expected[i]:
            return False
        i += 1
    return i == n


def have_expressions(list constraints, list expressions):
    """Whether constraints hold these expression objects; those are None where a constraint is held otherwise."""
    cdef Py_ssize_t i
    for i in range(len(constraints)):
        if expressions[i] is not None and constraints[i]._expr is not expressions[i]:
            return False
    return True


def have_contents(list named, list contents):
    """Whether named expressions hold these objects."""
    cdef Py_ssize_t i
    for i in range(len(named)):
        if named[i]._args_[0] is not contents[i]:
            return False
    return True


def have_arguments(list calls, list arguments):
    """Whether calls of external functions hold these arguments: a network that is replaced changes its calls."""
    cdef Py_ssize_t i
    for i in range(len(calls)):
        if calls[i]._args_ is not arguments[i]:
            return False
    return True
