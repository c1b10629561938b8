"""Tables of solves: a row each, as dicts with the same keys."""

from __future__ import annotations

from typing import Any


class Rows:
    """What has a `table`, a list of dicts with the same keys, as columns, too."""

    table: list[dict[str, Any]]

    def to_dict(self) -> dict[str, list[Any]]:
        """The table by columns, of plain numbers and texts."""
        return {name: [row[name] for row in self.table] for name in (self.table[0] if self.table else {})}

    def to_pandas(self) -> Any:
        """The table as a DataFrame.

        Raises
        ------
        ModuleNotFoundError
            pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"[{type(self).__name__}] pandas is not installed: use 'pip install pandas', or to_dict()."
            ) from error
        return pandas.DataFrame(self.table)
