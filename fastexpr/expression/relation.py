"""What `<=`, `>=` and `==` make of an Expression: the statement of a constraint."""

from __future__ import annotations

from typing import Any, NoReturn


class Relation:
    """left <= right, left >= right or left == right; `fastexpr.Problem.subject_to` takes it.

    It has no truth value: numbers are not known yet, so that `0 <= g <= 1` cannot be read.
    """

    __slots__ = ("left", "right", "sign")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, left: Any, sign: str, right: Any) -> None:
        self.left, self.sign, self.right = left, sign, right

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "A relation of Expressions has no truth value: their numbers are not known yet. What to do: state it as a "
            "constraint, subject_to(g >= 1); a range in one go as subject_to(g, lower=0, upper=1)."
        )

    def __repr__(self) -> str:
        return f"<Relation {self.left!r} {self.sign} {self.right!r}>"
