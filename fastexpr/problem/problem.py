"""Optimization problems stated with NumPy expressions and networks, solved by Ipopt or pounce."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.errors import EvaluationError, GraphError, ShapeError
from fastexpr.expression import Expression, variables
from fastexpr.expression.node import with_component_names
from fastexpr.expression.operands import as_operand, constant
from fastexpr.expression.relation import Relation
from fastexpr.expression.splicing import is_one_point
from fastexpr.function.arguments import in_order, separated
from fastexpr.function.labels import Names, names_of
from fastexpr.nlp import Indices, Nlp, Vector
from fastexpr.problem.arguments import (
    AskNames,
    as_limits,
    as_sides,
    as_start,
    as_vector,
    given,
    joined,
    limit_of,
    names_from,
    require_limits,
    require_order,
)
from fastexpr.problem.assembly import assemble, make_result, refresh
from fastexpr.problem.classified import classified_as
from fastexpr.problem.integer.integers import mixed_integer_result, network_formulation, solution_of
from fastexpr.problem.parameters import as_bound, as_values, assigned, at, moving_bound
from fastexpr.problem.result import Result
from fastexpr.problem.starts import start_in_range, start_of
from fastexpr.problem.statement import Auxiliaries, Constraint, NetworkRows, Statement
from fastexpr.solve import Settings
from fastexpr.solvers import Option, Progress, choose
from fastexpr.solvers.checked import answer, contradicting_bounds, warm_start_options

if TYPE_CHECKING:
    from fastexpr.solve.results.report import Tables


class Problem:
    """minimize f(x) subject to lower <= g(x) <= upper and bounds of x, with networks as ordinary functions.

    f and g are Expressions: NumPy's operators on what `variables` and `network` return. First and second derivatives
    are exact, and only entries that are structurally not zero are handed to the solver.

    Examples
    --------
    The point of the unit disk that is nearest to (2, 1):

    >>> import fastexpr as fx
    >>> problem = fx.Problem()
    >>> x = problem.variables(2, start=[0.5, 0.5])
    >>> problem.minimize(((x - [2.0, 1.0]) ** 2).sum())
    >>> disk = problem.subject_to((x**2).sum(), upper=1.0)
    >>> result = problem.solve()
    >>> result.success, result[x].round(4).tolist()
    (True, [0.8944, 0.4472])
    >>> round(float(result.duals[disk]), 4)
    1.2361
    """

    def __init__(self) -> None:
        self._statement = Statement()
        self._nlp: Nlp | None = None

    # ---- stating the problem -----------------------------------------------------------------------------------------

    def variables(
        self,
        shape: int | Sequence[int],
        lower: Any = None,
        upper: Any = None,
        start: Any = None,
        name: str | None = None,
        bounds: Any = None,
        integer: bool = False,
    ) -> Expression:
        """New variables.

        Parameters
        ----------
        shape : int or sequence of int
            n, (T, n), or () for a single number.
        lower, upper : array_like or Expression, optional
            Bounds, broadcast to the shape; None and infinities are none. Equal ones fix a variable. Expressions of
            parameters move with these. Labels (of a Series such as ``df.min()``) must be the same ones in all of these;
            the first decide the order of the variables, and a network that is applied to all of them matches them with
            the names of its inputs. `lower` alone may hold both sides of a vector's bounds, as pairs or
            ``{label: (low, high)}``.
        start : array_like, optional
            Where the solver starts, broadcast to the shape and moved into the bounds. Without it, the middle of the
            bounds where both are finite, else the number nearest to 0 within them; but what enters a network that has a
            range (`network.lower`, `network.upper`) starts in the middle of that.
        name : str, optional
            What messages call them.
        bounds : (lower, upper), or list of such pairs, optional
            Another way to give both bounds: of all elements, or pair by pair.
        integer : bool, default False
            Whether they are whole numbers: for ``solve(solver="highs")``, or, where they have few values together, for
            the solvers of nonlinear programs, too.

        Returns
        -------
        Expression
            Of the shape given.

        Raises
        ------
        fastexpr.errors.ShapeError
            A bound or the start does not broadcast to the shape; they have different labels.
        ValueError
            A lower bound is above its upper bound, or a number is NaN.
        """
        leaf = variables(shape)
        if not isinstance(lower, Expression) and not isinstance(upper, Expression):
            lower, upper = as_sides(lower, upper, bounds, leaf.size)
        name = name or f"x{len(self._statement.variables)}"
        lower, upper = as_bound(lower), as_bound(upper)
        moving = [
            moving_bound(self._statement, side, leaf.shape, f"the {word} bound of {name!r}")
            if isinstance(side, Expression)
            else None
            for side, word in ((lower, "lower"), (upper, "upper"))
        ]
        lower, upper = (None if isinstance(side, Expression) else side for side in (lower, upper))
        if upper is None and leaf.ndim == 1 and moving == [None, None]:
            lower, upper = separated(lower, leaf.size)
        found = names_from(leaf.shape, lower, upper, start)
        if found is not None:
            with_component_names(leaf, found.names)
        names = None if found is None else lambda: found
        low = as_vector(lower, -np.inf, leaf.shape, f"the lower bound of {name!r}", names)
        high = as_vector(upper, np.inf, leaf.shape, f"the upper bound of {name!r}", names)
        self._add_variables(leaf, name, low, high, start, names, integer)
        entry = self._statement.variables[leaf]
        entry.moving_lower, entry.moving_upper = moving
        if moving != [None, None]:
            low, high = entry.bounds(self._statement.parameter_values())
            entry.start = np.fmin(np.fmax(entry.start, low), high)
        return leaf

    def parameters(self, shape: int | Sequence[int] = (), value: Any = None, name: str | None = None) -> Expression:
        """New parameters: numbers that stand for what changes from solve to solve (prices, states, set points).

        In expressions, in inputs of networks and in bounds of variables they are used as variables are. Other values
        compile nothing: ``solve(parameters={price: 3.0})``, or `set_parameters`.

        Parameters
        ----------
        shape : int or sequence of int, default ()
            n, (T, n), or () for a single number.
        value : array_like, optional
            Broadcast to the shape. Without it, they need a value before a solve.
        name : str, optional
            What messages and tables call them.

        Returns
        -------
        Expression
            Of the shape given.

        Raises
        ------
        fastexpr.errors.ShapeError
            The value does not broadcast to the shape.
        ValueError
            It is NaN; there are parameters of this name.

        Examples
        --------
        >>> import fastexpr as fx
        >>> p = fx.Problem()
        >>> price = p.parameters((), value=2.0, name="price")
        >>> x = p.variables(1, lower=0.0)
        >>> p.minimize(price * x[0] + (1.0 / (1.0 + x)).sum())
        >>> p.solve(parameters={price: 0.25})[x].round(4).tolist()
        [1.0]
        """
        leaf = variables(shape)
        statement = self._statement
        name = name or f"p{len(statement.parameters)}"
        if any(entry.name == name for entry in statement.parameters.values()):
            raise ValueError(f"[Problem] there are parameters {name!r} already: give these another name.")
        found = names_from(leaf.shape, value)
        if found is not None:
            with_component_names(leaf, found.names)
        numbers = as_values(value, leaf.shape, name, None if found is None else lambda: found)
        statement.add_parameters(leaf, name, numbers)
        self._nlp = None
        return leaf

    def set_parameters(self, values: Mapping[Any, Any]) -> None:
        """Gives parameters other values, for all solves to come; nothing is compiled again.

        Parameters
        ----------
        values : dict
            By what `parameters` gave, by a selection of it such as ``state[0]``, or by name.

        Raises
        ------
        fastexpr.errors.NotFoundError
            There is no such parameter.
        fastexpr.errors.ShapeError, ValueError, TypeError
            A value does not fit.
        """
        for entry, numbers in assigned(self._statement, values).items():
            entry.values = numbers

    def network(
        self,
        network: Function,
        x: Expression,
        lower: Any = None,
        upper: Any = None,
        start: Any = None,
        bounds: bool = False,
        name: str | None = None,
        formulation: str | None = None,
    ) -> Expression:
        """New variables y with y == network(x).

        All instances of the same network in a problem are evaluated together, as one batch. `network(x)` itself,
        without this method, is the other way: no new variables, and the network inside the expression.

        Parameters
        ----------
        network : Function
            Of n inputs and m outputs.
        x : Expression, or a list or dict of them
            Of shape (n,), or (T, n) for T instances. Where it is not simply made of variables (2 * x[:3], say),
            further variables
            equal to it are added.
        lower, upper : array_like, optional
            Bounds of y, as for `variables`.
        start : array_like, optional
            Without it, the network's value at the start of x.
        bounds : bool, default False
            Keep x in the range the network was made for (`network.lower`, `network.upper`), and bound y by interval
            arithmetic over it.
        name : str, optional
            What messages call y.
        formulation : {None, "external", "bigm"}, optional
            How solvers see the network: "bigm" insists on HiGHS, "external" on a solver of nonlinear programs; None
            leaves that to `solve`.

        Returns
        -------
        Expression
            y, of shape (m,), or (T, m).

        Raises
        ------
        TypeError
            `network` is no Function, or x no Expression.
        fastexpr.errors.ShapeError
            x does not fit the network, or labels are not its names.
        fastexpr.errors.EvaluationError
            The network's value at the start is not finite.
        """
        if not isinstance(network, Function):
            raise TypeError(f"[Problem] network must be a fastexpr.Function: got {type(network).__name__}.")
        formulation = network_formulation(formulation)
        x = in_order(x, lambda: names_of(network, "input"), "x")
        if isinstance(x, list | tuple | np.ndarray):
            operand = as_operand(x)
            x = operand if isinstance(operand, Expression) else x
        if not isinstance(x, Expression):
            raise TypeError(f"[Problem] x must be an Expression of this problem's variables: got {type(x).__name__}.")
        name = name or f"y{len(self._statement.networks)}"
        n, m = network.n_inputs, network.n_outputs
        is_single = is_one_point(network, x.shape)
        if not is_single and (x.ndim == 0 or x.shape[0] * n != x.size):
            raise ShapeError(
                f"[Problem] wrong shape of x for the network: got {x.shape}, "
                f"expected ({n},), or (T, {n}) for T instances."
            )
        leaf = variables((m,) if is_single else (x.shape[0], m))

        def names() -> Names:
            return names_of(network, "output")

        low = as_vector(lower, -np.inf, leaf.shape, f"the lower bound of {name!r}", names)
        high = as_vector(upper, np.inf, leaf.shape, f"the upper bound of {name!r}", names)
        inputs = self._positions_or_auxiliaries(x, name).reshape(-1, n)
        if bounds:
            tight_low, tight_high = self._tighten(network, inputs, name)
            low, high = np.maximum(low, tight_low), np.minimum(high, tight_high)
        start_in_range(self._statement, network, inputs)
        has_start = start is not None
        if start is None:
            start = self._network_value(network, inputs, name).reshape(leaf.shape)
        y = self._add_variables(leaf, name, low, high, start, names)
        places = self._statement.positions(y).reshape(-1, m)
        entry = NetworkRows(network, inputs, places, y, formulation, has_start)
        self._statement.networks.append(entry)
        self._statement.definitions.append(entry)
        return y

    def minimize(self, objective: Expression | float) -> None:
        """States the objective, one number. A problem has at most one; none, or a number, asks for a feasible point.

        Raises
        ------
        ValueError
            There is one already.
        fastexpr.errors.ShapeError
            It is not a single number.
        """
        self._set_objective(objective, 1.0)

    def maximize(self, objective: Expression | float) -> None:
        """As `minimize`; the solver minimizes -objective, and the multipliers belong to that."""
        self._set_objective(objective, -1.0)

    def subject_to(
        self,
        expression: Expression | Relation,
        lower: Any = None,
        upper: Any = None,
        equal: Any = None,
        name: str | None = None,
    ) -> Constraint:
        """States lower <= expression <= upper, or expression == equal, element by element.

        Parameters
        ----------
        expression : Expression or relation
            Any shape: a constraint per element. ``g >= 1`` says the same as ``g, lower=1``; so do <= and ==.
        lower, upper, equal : array_like or Expression
            Broadcast to the expression's shape. At least one of them; `equal` goes with no other, an Expression
            neither.
        name : str, optional
            What messages call it.

        Returns
        -------
        Constraint
            A handle: `result.duals[handle]` are the multipliers, of the expression's shape.

        Raises
        ------
        fastexpr.errors.ShapeError
            A limit does not broadcast to the expression's shape.
        fastexpr.errors.GraphError
            The expression depends on variables of another problem, or on none.
        ValueError
            No limit, contradicting limits, or NaN.
        """
        limits = given({"lower": lower, "upper": upper, "equal": equal})
        if isinstance(expression, Relation):
            if limits:
                raise ValueError(
                    f"[Problem] a relation goes with no further limit: got {', '.join(limits)}. What to do: state two "
                    "constraints, or subject_to(g, lower=..., upper=...)."
                )
            expression, limits = limit_of(expression)
        if not isinstance(expression, Expression):
            raise TypeError(
                "[Problem] a constraint needs an Expression of the problem's variables: "
                f"got {type(expression).__name__}."
            )
        require_limits(limits)
        limits = {side: as_bound(limit) for side, limit in limits.items()}
        for side, limit in limits.items():
            if isinstance(limit, Expression):
                if len(limits) > 1:
                    raise ValueError(
                        "[Problem] an Expression as a limit goes with no other limit: state two constraints."
                    )
                expression, limits[side] = expression - limit, 0.0
        if expression.size == 0:
            raise ShapeError(f"[Problem] a constraint needs elements: got shape {expression.shape}.")
        self._statement.require_own(expression)
        name = name or f"constraint {len(self._statement.constraints)}"
        low, high = as_limits(limits, expression.shape, name, self._statement.names_of(expression))
        constraint = Constraint(expression, low, high, name)
        self._statement.constraints.append(constraint)
        self._nlp = None
        return constraint

    def rules(self, rules: Any, x: Expression, require: Any = None, name: str | None = None) -> Expression:
        """Boolean rules as variables: 1 for the class that they predict, 0 for the others.

        For ``solve(solver="highs")``, which takes their thresholds as binaries, with a margin for variables that are no
        integers; as :class:`fastexpr.pyomo.RuleBlock` does.

        Parameters
        ----------
        rules : BooleanRuleClassifier
            Fitted, on columns of numbers and bools (0 and 1).
        x : Expression, or a list or dict of them
            One entry for each column. Columns that a rule looks at need finite bounds.
        require : optional
            One of the classes, which the rules then have to predict.
        name : str, optional
            What messages call it.

        Returns
        -------
        Expression
            One number for each of ``rules.classes_``.

        Raises
        ------
        fastexpr.errors.RuleError
            The rules are not fitted, or look at categories; `require` is none of their classes.
        """
        from fastexpr.rules.function import as_function, place_of

        name = name or f"rules{len(self._statement.networks)}"
        y = self.network(as_function(rules), x, formulation="bigm", name=name)
        if require is not None:
            self.subject_to(y[place_of(rules, require)], equal=1.0, name=f"rules predict {require!r}")
        return y

    def classified_as(
        self,
        y: Expression,
        label: Any,
        margin: float | None = None,
        classes: Sequence[Any] | None = None,
        name: str | None = None,
    ) -> Constraint:
        """States that a classifier gives a label: its logit is the largest, by a margin.

        Softmax and sigmoid at the network's end do not change the order, and are left out: the limits are about what
        comes before, for all solvers.

        Parameters
        ----------
        y : Expression
            What `network` returned for a classifier, at one place or several.
        label
            Where the names of outputs hold classes (``y[setosa]``), one of them; else a position.
        margin : float, optional
            By how much, in logits, or in outputs where there is neither softmax nor sigmoid. By default a little more
            than solvers' tolerances.
        classes : sequence, optional
            All labels in order, where the network does not know them.
        name : str, optional
            What messages call it.

        Returns
        -------
        Constraint
            A row for each other class, or one where the network has one output.

        Raises
        ------
        fastexpr.errors.NotFoundError
            There is no such label.
        fastexpr.errors.GraphError
            y is not what `network` returned.
        """
        return classified_as(self, y, label, margin, classes, name)

    def within_data(
        self, x: Expression, network: Function, method: str = "ellipsoid", name: str | None = None
    ) -> Constraint:
        """States that x stays near the data that a network was trained with: beyond them nobody knows what it says.

        Parameters
        ----------
        x : Expression
            What enters the network: (n,), or (T, n) for T points.
        network : Function
            With data: ``net.with_data(X)``.
        method : {"ellipsoid", "hull", "neighbours"}
            "ellipsoid": the Mahalanobis distance is at most the data's largest one, a convex quadratic row. "hull": a
            weighted mean of data, linear rows with a variable for each vertex. "neighbours": the distance to the
            nearest data, smoothed, is at most the data's own spacing; for data in several clouds, and not convex.
        name : str, optional
            What messages call it.

        Returns
        -------
        Constraint

        Raises
        ------
        ValueError
            The network has no data.
        fastexpr.errors.NotFoundError
            There is no such method.
        fastexpr.errors.ShapeError, TypeError
            x does not fit the network, or is no Expression.
        """
        from fastexpr.problem.guards import within_data

        return within_data(self, x, network, method, name)

    def set_limits(self, constraint: Constraint, lower: Any = None, upper: Any = None, equal: Any = None) -> None:
        """Gives a constraint other limits, all of them; nothing is compiled again.

        Of a constraint with an Expression as its limit, the expression is its difference to that.

        Raises
        ------
        KeyError
            The constraint is none of this problem.
        fastexpr.errors.ShapeError, ValueError
            As of `subject_to`.
        """
        self._require_own(constraint)
        limits = given({"lower": lower, "upper": upper, "equal": equal})
        require_limits(limits)
        expression = constraint.expression
        names = self._statement.names_of(expression)
        constraint.lower, constraint.upper = as_limits(limits, expression.shape, constraint.name, names)

    def remove(self, constraint: Constraint) -> None:
        """Takes a constraint out of the problem; earlier results keep its multipliers.

        Raises
        ------
        KeyError
            The constraint is none of this problem.
        ValueError
            It ties the inputs of a network to the expression that the network was given.
        """
        self._require_own(constraint)
        if any(
            isinstance(entry, Auxiliaries) and entry.constraint is constraint for entry in self._statement.definitions
        ):
            raise ValueError(f"[Problem] {constraint.name!r} belongs to a network and stays.")
        self._statement.constraints.remove(constraint)
        self._nlp = None

    # ---- solving -----------------------------------------------------------------------------------------------------

    def solve(
        self,
        solver: str | None = None,
        start: Result | npt.ArrayLike | Mapping[Expression, Any] | None = None,
        progress: Callable[[Progress], object] | None = None,
        time_limit: float | None = None,
        options: Mapping[str, Option] | None = None,
        presolve: bool = True,
        kinks: str = "cells",
        scaling: str = "range",
        effort: str = "normal",
        parameters: Mapping[Any, Any] | None = None,
        **others: Option,
    ) -> Result:
        """Solves the problem, in stages: see `Result.stages`.

        Parameters
        ----------
        solver : {"cyipopt", "pounce", "highs", "branch-and-bound"}, optional
            Without it, cyipopt where it is installed, else pounce; "ipopt" is another name of cyipopt. "highs" solves
            problems that are linear, or have a convex quadratic objective, with networks and expressions that are
            piecewise linear, and trees: to global optimality. It is also what integer variables and trees take where
            that is possible; where networks are smooth and the integer variables have few values together, a nonlinear
            program is solved for each of these.
            "branch-and-bound" certifies the global solution of a problem with at most 12 variables that nothing
            defines, all of them bounded, and no equations but those of networks: `fastexpr.global_minimum` on the
            problem as one function. It takes tol= (relative, 1e-6), time_limit= and progress= as that does; the bound
            is in `result.message`.
        start : Result, array_like, dict or "sample", optional
            An earlier result of this problem to start from, multipliers included (a warm start) unless constraints have
            come or gone since. Or the variables' values, all of them in an array, or some as ``{x: values}``; outputs
            of networks are computed from them. Or "sample": the most promising one of 128 points that are spread over
            the bounds, the same ones every time.
        progress : callable, optional
            Called after every iteration with a `Progress`: iteration, objective, infeasibility, dual_infeasibility,
            barrier, step. The solver stops where it returns False.
        time_limit : float, optional
            In seconds of a clock on the wall, looked at after every iteration.
        options : dict, optional
            Ipopt's options by name.
        presolve : bool, default True
            Whether outputs of networks that only the objective and inequalities use may be put in their places as
            expressions, which leads to better minima; what is said stays in terms of the problem as stated. False
            solves that.
        kinks : {"cells", "ignore"}, default "cells"
            What is done about kinks (of ReLU, max, abs, ...): after the solver's first 80 iterations the problem is
            solved within cells that have none, from cell to cell, and `result.certificate` says what is known of the
            point where that ends. "ignore" leaves the solver alone with them. Problems without kinks are solved alike.
        scaling : {"range", "none"}, default "range"
            Whether the solver multiplies variables, rows and objective, itself, with factors that make them of size 1
            within the bounds of the variables or the networks' ranges. The option nlp_scaling_method is another way.
        effort : {"low", "normal", "high"}, default "normal"
            "low" starts once. "normal" starts again, from the best of 128 points of the bounds' box, only where the
            first start has led to no feasible point. "high" does so in any case and goes on: from the least sum of
            violations and the nearest feasible point where none was feasible, and from three random points; the best
            counts.
        parameters : dict, optional
            Values of parameters for this solve, as of `set_parameters`; the others have the values that they have.
        **others
            The same as keywords: tol=1e-8, max_iter=500, print_level=5, ... Silent by default.

        Returns
        -------
        Result
            Also where the solver did not succeed: look at `result.success` and `result.message`.

        Raises
        ------
        ValueError
            There are no variables; the solver does not know an option; `kinks` is another word; a parameter has no
            value.
        fastexpr.errors.NotFoundError
            There is no such parameter.
        TypeError
            `options` is no dict, `progress` no function.
        ModuleNotFoundError
            No solver is installed; the message says what to install.
        """
        with at(self._statement, parameters):
            return self._solve(
                solver, start, progress, time_limit, options, others,
                presolve=presolve, kinks=kinks, scaling=scaling, effort=effort,
            )  # fmt: skip

    def _solve(
        self, solver: Any, start: Any, progress: Any, time_limit: Any, options: Any, others: Any, **how: Any
    ) -> Result:
        if solver == "branch-and-bound":
            return self._solve_by_boxes(start, progress, time_limit, joined(options, others))
        if (found := mixed_integer_result(self, solver, start, progress, time_limit, options, others)) is not None:
            return found
        name = choose(solver)
        settings = joined(options, others)
        if progress is not None and not callable(progress):
            raise TypeError(f"[Problem] progress must be a function of a Progress: got {type(progress).__name__}.")
        begin = time.perf_counter()
        nlp = self.nlp()
        build = time.perf_counter() - begin
        nlp.start, multipliers = start_of(self._statement, start, nlp)
        if multipliers is not None:
            settings = {**warm_start_options, **settings}
        nlp.reset_evaluations()
        begin = time.perf_counter()
        chosen = Settings(name, settings, progress, time_limit, **how)
        contradiction = contradicting_bounds(nlp)  # parameters may have moved them
        if contradiction is not None:
            solution = answer(nlp, "contradiction", contradiction)
        else:
            solution = solution_of(self._statement, nlp, chosen, multipliers)
        return make_result(self._statement, nlp, name, solution, build, time.perf_counter() - begin)

    def _solve_by_boxes(
        self, start: Any, progress: Any, time_limit: float | None, options: Mapping[str, Option]
    ) -> Result:
        from fastexpr.problem.integer.boxes import solve_by_boxes

        unknown = sorted(set(options) - {"tol"})
        if unknown or start is not None:
            what = "start" if start is not None else f"the option {unknown[0]!r}"
            raise ValueError(f"[Problem] branch-and-bound takes tol=, time_limit= and progress= only: got {what}.")
        begin = time.perf_counter()
        nlp = self.nlp()
        build = time.perf_counter() - begin
        nlp.start, _ = start_of(self._statement, None, nlp)
        nlp.reset_evaluations()
        begin = time.perf_counter()
        solution = solve_by_boxes(self._statement, nlp, float(options.get("tol", 1e-6)), time_limit, progress)
        return make_result(self._statement, nlp, "branch-and-bound", solution, build, time.perf_counter() - begin)

    def nlp(self) -> Nlp:
        """The assembled nonlinear program: value, derivatives and their structure, for a solver of one's own.

        Compiled at the first call and kept until the problem is changed. Its m rows are those of `subject_to` in
        order, then those of the networks; it minimizes, so that of a maximization it has -objective.

        Raises
        ------
        ValueError
            There are no variables.
        """
        if self._nlp is None:
            self._nlp = assemble(self._statement)
        refresh(self._statement, self._nlp)
        return self._nlp

    def summary(self) -> Tables:
        """What the problem consists of: sizes, variables, networks, constraints.

        Returns
        -------
        Tables
            Its text is the summary, a notebook shows tables, and `to_dict()` is for other programs.

        Raises
        ------
        ValueError
            There are no variables.

        Examples
        --------
        >>> import fastexpr as fx
        >>> p = fx.Problem()
        >>> x = p.variables(3, lower=0.0, name="x")
        >>> p.minimize((x**2).sum())
        >>> print(p.summary())
          objective: minimize
          variables: 3, 0 of them fixed
        constraints: 0, 0 of them equations
           Jacobian: 0 entries
            Hessian: 3 entries, 50 % of its lower triangle
        <BLANKLINE>
        variables
          name  shape  lower  upper  start  what
          x     3      0      inf    0      variables
        """
        from fastexpr.problem.summary import summary_of

        return summary_of(self._statement, self.nlp())

    def __getstate__(self) -> dict[str, Any]:
        """A problem pickles; what was compiled stays behind. Variables and handles pickled with it stay its own."""
        return {"_statement": self._statement, "_nlp": None}

    def __repr__(self) -> str:
        statement = self._statement
        parameters = f", {statement.n_parameters} parameters" if statement.parameters else ""
        return (
            f"<Problem: {statement.n} variables, {statement.n_rows()} constraints, {len(statement.networks)} networks"
            f"{parameters}>"
        )

    # ---- how ---------------------------------------------------------------------------------------------------------

    def _add_variables(
        self, leaf: Expression, name: str, lower: Vector, upper: Vector, start: Any, names: AskNames,
        is_integer: bool = False,
    ) -> Expression:  # fmt: skip
        require_order(lower, upper, name)
        begin = as_start(start, lower, upper, leaf.shape, name, names)
        self._statement.add_variables(leaf, name, lower, upper, begin, start is not None, is_integer)
        self._nlp = None
        return leaf

    def _set_objective(self, objective: Expression | float, sign: float) -> None:
        statement = self._statement
        if statement.objective is not None:
            raise ValueError("[Problem] there is an objective already: a problem has exactly one.")
        if isinstance(objective, int | float | np.number) and np.isfinite(objective):
            objective = constant(np.asarray(float(objective)))
            statement.objective, statement.sign = objective, sign
            self._nlp = None
            return
        if not isinstance(objective, Expression):
            kind = type(objective).__name__
            raise TypeError(f"[Problem] the objective must be an Expression of the problem's variables: got {kind}.")
        if objective.size != 1:
            raise ShapeError(f"[Problem] the objective must be one number: got shape {objective.shape}. Sum it, say.")
        statement.require_own(objective)
        statement.objective, statement.sign = objective, sign
        self._nlp = None

    def _require_own(self, constraint: Constraint) -> None:
        if not any(constraint is own for own in self._statement.constraints):
            raise KeyError(f"[Problem] no constraint of this problem: {constraint!r}. What subject_to gave is one.")

    def _positions_or_auxiliaries(self, x: Expression, name: str) -> Indices:
        """Which components of x these are; new ones equal to them where they are more than a selection."""
        statement = self._statement
        statement.require_own(x, is_variable=False)
        try:
            return self._as_variables(statement.places(x), statement.n)
        except GraphError:
            start = statement.evaluate(x, statement.stated_start()) if statement.has_values() else None
            u = self.variables(x.shape, start=start, name=f"inputs of {name}")
            constraint = self.subject_to(u - x, equal=0.0, name=f"inputs of {name}")
            places = statement.positions(u)
            statement.definitions.append(Auxiliaries(places, x, constraint))
            return places

    def _as_variables(self, places: Indices, n: int) -> Indices:
        """With fixed variables in the place of parameters, one for each."""
        places = places.copy()
        for entry in self._statement.parameters.values():
            is_own = (places >= n + entry.offset) & (places < n + entry.offset + entry.leaf.size)
            if not is_own.any():
                continue
            if entry.variables is None:
                entry.variables = self.variables(entry.leaf.shape, lower=entry.leaf, upper=entry.leaf, name=entry.name)
            own = self._statement.positions(entry.variables).ravel()
            places[is_own] = own[places[is_own] - n - entry.offset]
        return places

    def _network_value(self, network: Function, inputs: Indices, name: str) -> Vector:
        value: Vector = network(self._statement.stated_start()[inputs])
        if not np.isfinite(value).all():
            raise EvaluationError(
                f"[Problem] the network's value at the start of {name!r} is not finite: "
                "give its inputs another start, or start= here."
            )
        return value

    def _tighten(self, network: Function, inputs: Indices, name: str) -> tuple[Vector, Vector]:
        """Moves x into the network's range; returns the bounds of all instances' outputs over it."""
        if network.lower is None or network.upper is None:
            raise ValueError(
                f"[Problem] bounds=True, but the network of {name!r} has none: use network.with_bounds(lower, upper)."
            )
        tightened = []  # nothing is changed before all of it is known to fit
        for entry in self._statement.variables.values():
            is_here = (inputs >= entry.offset) & (inputs < entry.offset + entry.leaf.size)
            instance, component = np.nonzero(is_here)
            here = inputs[instance, component] - entry.offset
            low, high = entry.lower.copy(), entry.upper.copy()
            np.maximum.at(low, here, network.lower[component])
            np.minimum.at(high, here, network.upper[component])
            require_order(low, high, f"{entry.name} within the range of the network of {name!r}")
            tightened.append((entry, low, high))
        for entry, low, high in tightened:
            entry.lower[:], entry.upper[:] = low, high
            entry.start = np.clip(entry.start, low, high)
        lower, upper = network.output_bounds(network.lower, network.upper)
        return np.tile(lower, len(inputs)), np.tile(upper, len(inputs))
