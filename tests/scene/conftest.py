# SPDX-License-Identifier: AGPL-3.0-or-later
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures"))

from story import *  # noqa: E402,F401,F403  fixtures and hooks
