"""``examples.digits`` as the demo runs it: with places to interrupt it."""

from examples import digits
from examples.demo.interruption import reach, warm_up
from examples.digits import Config, Parameters, initial_parameters

__all__ = ["evaluate", "fit", "initial_parameters"]

warm_up()


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Train."""
    reach("fit", config)
    return digits.fit(parameters, config)


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss, number of examples and accuracy."""
    reach("evaluate", config)
    return digits.evaluate(parameters, config)
