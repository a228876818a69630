# SPDX-License-Identifier: Apache-2.0
# Acts on a module as soon as it was executed. Given: part().
import os
import sys

ACTIONS = {
    # logging leaves frames of its own folder out of the call stacks that it prints: count as one of them
    "logging": lambda module: part("logs", os.path.dirname(module.__file__))["watch_logging"](module),
    "matplotlib.pyplot": lambda module: part("plots")["quiet_pyplot"](module),
    "plotly.io._renderers": lambda module: part("plots")["quiet_renderers"](module),
    "plotly.offline.offline": lambda module: part("plots")["quiet_offline"](module),
}


def find(watch, name, path, target):
    """What the other finders find, with a loader that tells when it has run; None leaves it to them."""
    for finder in sys.meta_path:
        find_spec = None if finder is watch else getattr(finder, "find_spec", None)
        spec = find_spec and find_spec(name, path, target)
        if spec is not None:
            attach(watch, name, spec.loader)
            return spec
    return None


def attach(watch, name, loader):
    run = loader.exec_module

    def exec_module(module):
        loader.__dict__.pop("exec_module", None)
        run(module)
        if module.__name__ == name:
            seen(watch, name, module)

    loader.exec_module = exec_module


def seen(watch, name, module):
    try:
        if name not in watch.wanted:
            return
        watch.wanted.remove(name)
        if not watch.wanted:
            # a new list: another thread may be walking along the old one
            sys.meta_path = [finder for finder in sys.meta_path if finder is not watch]
        ACTIONS[name](module)
    except Exception:
        pass
