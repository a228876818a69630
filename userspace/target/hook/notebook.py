# SPDX-License-Identifier: Apache-2.0
# What notebooks find in IPython. Given: NOTEBOOK (its folder, bytes), LOGS (in the folder of the copy that runs, bytes).
import builtins
import os
import sys


def display(*objects, **options):
    print(*objects)


class OwnFolder(object):
    """The interpreter looks for modules beside the copy first. That entry of sys.path comes after site.py, and so after
    us, but before the first import of the notebook."""

    def find_spec(self, name, path=None, target=None):
        if sys.path and sys.path[0] == copies:
            sys.path[0] = os.fsdecode(NOTEBOOK)
            # a new list: the import at hand is walking along the old one
            sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
        return None


builtins.display = display
copies = os.path.realpath(os.path.dirname(os.fsdecode(LOGS)))
sys.meta_path.insert(0, OwnFolder())
