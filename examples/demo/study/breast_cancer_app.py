"""``examples.breast_cancer`` as the demo runs it: with places to interrupt it."""

from examples import breast_cancer
from examples.breast_cancer import Config, Parameters, initial_parameters
from examples.demo.interruption import reach, warm_up

__all__ = ["evaluate", "fit", "initial_parameters"]

warm_up()


def fit(parameters: Parameters, config: Config) -> tuple[Parameters, int, Config]:
    """Train."""
    reach("fit", config)
    return breast_cancer.fit(parameters, config)


def evaluate(parameters: Parameters, config: Config) -> tuple[float, int, Config]:
    """Loss, number of examples and accuracy."""
    reach("evaluate", config)
    return breast_cancer.evaluate(parameters, config)
