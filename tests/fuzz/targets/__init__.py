"""All fuzz targets; each module is about the decoders of one place."""

from tests.fuzz.target import TARGETS as TARGETS
from tests.fuzz.targets import audit as audit
from tests.fuzz.targets import ceremony as ceremony
from tests.fuzz.targets import conversation as conversation
from tests.fuzz.targets import direct as direct
from tests.fuzz.targets import door as door
from tests.fuzz.targets import frames as frames
from tests.fuzz.targets import handover as handover
from tests.fuzz.targets import home as home
from tests.fuzz.targets import keys as keys
from tests.fuzz.targets import recovery as recovery
from tests.fuzz.targets import services as services
from tests.fuzz.targets import store as store
from tests.fuzz.targets import texts as texts
from tests.fuzz.targets import training as training
