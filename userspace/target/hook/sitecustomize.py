# SPDX-License-Identifier: Apache-2.0
# Loaded by site.py before the script, from a private directory that PYTHONPATH names first (script.h, "The hook").
# The profiler writes the constants in front: PYTHONPATH, LOGS, LEVEL, MATPLOTLIB, PLOTLY, NOTEBOOK.
# Compiling is what costs here, some 10 us a line, so this part is short and logs.py and plots.py are compiled when
# they are first needed. Nothing in here may ever fail the script.
import os
import sys


def _restore(directory):
    """The script finds sys.path and the environment as its user left them, and the directory is gone."""
    if PYTHONPATH is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = os.fsdecode(PYTHONPATH)
    if directory in sys.path:
        sys.path.remove(directory)
    sys.path_importer_cache.pop(directory, None)
    parts = {}
    for name in ("logs.py", "plots.py"):
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            parts[name] = file.read()
    # __pycache__ is a plain file, so that nothing is cached; with a pycache prefix it lands elsewhere
    for path in [os.path.join(directory, name) for name in ("sitecustomize.py", "logs.py", "plots.py", "__pycache__")] + [__spec__.cached]:
        try:
            os.unlink(path)
        except (OSError, TypeError):
            pass
    os.rmdir(directory)
    return parts


class _Watch(object):
    """On sys.meta_path: calls wanted[name](module) as soon as that module was executed; leaves when all were seen."""

    def __init__(self, wanted):
        self.wanted = wanted

    def find_spec(self, name, path=None, target=None):
        if name not in self.wanted:
            return None
        try:
            for finder in sys.meta_path:
                find = None if finder is self else getattr(finder, "find_spec", None)
                spec = find and find(name, path, target)
                if spec is not None:
                    self.attach(name, spec.loader)
                    return spec
        except Exception:
            pass
        return None

    def attach(self, name, loader):
        run = loader.exec_module

        def exec_module(module):
            loader.__dict__.pop("exec_module", None)
            run(module)
            if module.__name__ == name:
                self.seen(name, module)

        loader.exec_module = exec_module

    def seen(self, name, module):
        try:
            after = self.wanted.pop(name, None)
            if not self.wanted:
                # a new list: another thread may be walking along the old one
                sys.meta_path = [finder for finder in sys.meta_path if finder is not self]
            if after:
                after(module)
        except Exception:
            pass


def _install(parts):
    loaded = {}

    def part(name, folder="<fixingahole>"):
        if name not in loaded:
            space = {"__name__": "fixingahole", "LOGS": LOGS, "LEVEL": LEVEL}
            exec(compile(parts[name], os.path.join(folder, name), "exec"), space)
            loaded[name] = space
        return loaded[name]

    def watch_warnings():
        import warnings

        def wrap(name):
            shown = getattr(warnings, name)

            def show(message):
                try:
                    part("logs.py")[name](warnings, message)
                except Exception:
                    pass
                return shown(message)

            show.__name__ = show.__qualname__ = name
            setattr(warnings, name, show)

        wrap("_showwarnmsg_impl")
        wrap("_showwarnmsg")

    # logging leaves frames of its own folder out of the call stacks that it prints: count as one of them
    wanted = {"logging": lambda module: part("logs.py", os.path.dirname(module.__file__))["watch_logging"](module)}
    if MATPLOTLIB:
        wanted["matplotlib.pyplot"] = lambda module: part("plots.py")["quiet_pyplot"](module)
    if PLOTLY:
        wanted["plotly.io._renderers"] = lambda module: part("plots.py")["quiet_renderers"](module)
        wanted["plotly.offline.offline"] = lambda module: part("plots.py")["quiet_offline"](module)
    watch = _Watch(wanted)
    sys.meta_path.insert(0, watch)
    for name in list(wanted):
        if name in sys.modules:
            watch.seen(name, sys.modules[name])
    if NOTEBOOK:
        import builtins

        def display(*objects, **options):
            print(*objects)

        builtins.display = display
    if LEVEL <= 30:
        watch_warnings()


try:
    _install(_restore(os.path.dirname(os.path.abspath(__file__))))
except Exception:
    pass
# The user's own sitecustomize takes our place; where there is none this is the ImportError that site.py expects.
sys.modules.pop(__name__, None)
import sitecustomize
