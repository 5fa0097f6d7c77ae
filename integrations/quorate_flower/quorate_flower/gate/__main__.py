# SPDX-License-Identifier: Apache-2.0
"""``python -m quorate_flower.gate``."""

import sys

from quorate_flower.gate.command import main

sys.exit(main())
