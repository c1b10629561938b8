"""Optimization problems stated with NumPy expressions and networks, solved by Ipopt or pounce."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from fastexpr._core import Function
from fastexpr.expression import Expression
from fastexpr.expression.relation import Relation
from fastexpr.nlp import Nlp
from fastexpr.problem.arguments import given
from fastexpr.problem.assembly import assemble, refresh
from fastexpr.problem.classified import classified_as
from fastexpr.problem.constraints import constraint_of, remove, set_limits, set_objective
from fastexpr.problem.networks import state_network
from fastexpr.problem.parameters import assigned, at, state_parameters
from fastexpr.problem.result import Result
from fastexpr.problem.solving import solve
from fastexpr.problem.statement import Constraint, Statement
from fastexpr.problem.variables import state_variables
from fastexpr.solvers import Option, Progress

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
        return state_variables(self, shape, lower, upper, start, name, bounds, integer)

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
        leaf = state_parameters(self._statement, shape, value, name)
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
            Of shape (n,), or (T, n) for T instances. Where it is not simply made of variables (2 * x[:3], say), further
            variables equal to it are added.
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
        return state_network(self, network, x, lower, upper, start, bounds, name, formulation)

    def minimize(self, objective: Expression | float) -> None:
        """States the objective, one number. A problem has at most one; none, or a number, asks for a feasible point.

        Raises
        ------
        ValueError
            There is one already.
        fastexpr.errors.ShapeError
            It is not a single number.
        """
        set_objective(self._statement, objective, 1.0)
        self._nlp = None

    def maximize(self, objective: Expression | float) -> None:
        """As `minimize`; the solver minimizes -objective, and the multipliers belong to that."""
        set_objective(self._statement, objective, -1.0)
        self._nlp = None

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
        constraint = constraint_of(
            self._statement, expression, given({"lower": lower, "upper": upper, "equal": equal}), name
        )
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
        set_limits(self._statement, constraint, given({"lower": lower, "upper": upper, "equal": equal}))

    def remove(self, constraint: Constraint) -> None:
        """Takes a constraint out of the problem; earlier results keep its multipliers.

        Raises
        ------
        KeyError
            The constraint is none of this problem.
        ValueError
            It ties the inputs of a network to the expression that the network was given.
        """
        remove(self._statement, constraint)
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
            return solve(
                self, solver, start, progress, time_limit, options, others,
                presolve=presolve, kinks=kinks, scaling=scaling, effort=effort,
            )  # fmt: skip

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
