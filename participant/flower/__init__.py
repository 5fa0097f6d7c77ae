"""A Flower app's folder as a hospital's app, without a SuperLink: its agent is all that it meets.

``project`` reads the folder's pyproject.toml, without running anything of it. The rest runs in the
app's own process, where Flower is: ``beginning`` has the app's ServerApp say what it would send
first, and ``running`` has its ClientApp answer each round.
"""

from participant.flower.loading import load_flower_app
from participant.flower.project import (
    NODE_CONFIG,
    FlowerProject,
    is_project,
    node_config_in,
    project_in,
    read_project,
)
