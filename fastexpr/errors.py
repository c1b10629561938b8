"""The errors fastexpr raises. All derive from FastexprError and from the built-in error of their kind."""

LONGEST_MESSAGE = 4000  # a damaged file can have names of any length


class FastexprError(Exception):
    """Base of every error that fastexpr raises itself."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(shortened(argument) for argument in arguments))


class GraphError(FastexprError, ValueError):
    """A network that makes no sense: unknown operator, attribute out of range, an input that does not exist."""


class ShapeError(FastexprError, ValueError):
    """A wrong shape, length or count."""


class FileError(FastexprError, ValueError):
    """A saved network that is truncated, altered, of a newer format, or no saved network at all."""


class EvaluationError(FastexprError, ArithmeticError):
    """A result that is not finite where a number is needed."""


class DerivativeError(FastexprError, ArithmeticError):
    """Derivatives that do not agree with differences of the function."""


class ModelError(FastexprError, ValueError):
    """A part of a Pyomo model that does not fit a network: names that do not match, a set without order."""


class NotFoundError(FastexprError, LookupError):
    """An input or output that the network does not have, a solver that is not installed."""


class OnnxError(FastexprError, ValueError):
    """An ONNX model that cannot be imported: unknown operator, unsupported setting, dynamic shape, damaged graph."""


class FrameworkError(FastexprError, ValueError):
    """A model of another library that cannot be taken over: an unsupported kind or setting, or another result."""


class RuleError(FastexprError, ValueError):
    """Boolean rules that cannot be learnt or put into a model: one class only, a wrong parameter, no finite bounds."""


class FormulationError(FastexprError, ValueError):
    """A network that cannot be written as algebra: an operator without a formulation, infinite bounds, closed cells."""


class DerivativeWarning(UserWarning):
    """A network whose derivatives say less than one might think: it rounds, or is constant piece by piece."""


class SearchWarning(UserWarning):
    """A search that may never end: more inputs than boxes can be split along."""


class UncheckedWarning(UserWarning):
    """An import that was to be checked, and holds something that nothing at hand can check."""


def shortened(argument: object) -> object:
    """A text without its middle where it is too long to read."""
    if not isinstance(argument, str) or len(argument) <= LONGEST_MESSAGE:
        return argument
    return f"{argument[: LONGEST_MESSAGE // 2]} ... {argument[-LONGEST_MESSAGE // 4 :]}"
