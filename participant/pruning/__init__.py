"""Models that a hospital lets go of, since it keeps so many of each study and no more.

What stays of one is a sample, by which it is still compared with the models of new studies.
"""

from participant.pruning.samples import SampledModels
from participant.pruning.task import LEAST, Pruned, PruningTask, pruning_task
