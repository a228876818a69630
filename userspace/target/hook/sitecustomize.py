# SPDX-License-Identifier: Apache-2.0
# Loaded by site.py before the script, from a private directory that PYTHONPATH names first (script.h, "The hook").
# The profiler writes the constants in front: PYTHONPATH, LOGS, LEVEL, WANTED, NOTEBOOK, and PARTS, the other files of this folder.
# Compiling is what costs here, so this file is short and a part is compiled when it is first needed. Nothing in here may ever
# fail the script.
import os
import sys

_spaces = {}


def _restore(directory):
    """The script finds sys.path and the environment as its user left them, and the directory is gone."""
    if directory in sys.path:
        sys.path.remove(directory)  # first: otherwise the import at the end would find this file again
    sys.path_importer_cache.pop(directory, None)
    if PYTHONPATH is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = os.fsdecode(PYTHONPATH)
    # __pycache__ is a plain file, so that nothing is cached; with a pycache prefix it lands elsewhere
    for path in (directory + "/sitecustomize.py", directory + "/__pycache__", __spec__.cached):
        try:
            os.unlink(path)
        except (OSError, TypeError):
            pass
    os.rmdir(directory)


def _part(name, folder="<fixingahole>"):
    if name not in _spaces:
        space = {"__name__": "fixingahole", "LOGS": LOGS, "LEVEL": LEVEL, "NOTEBOOK": NOTEBOOK, "part": _part}
        exec(compile(PARTS[name], folder + "/" + name + ".py", "exec"), space)
        _spaces[name] = space
    return _spaces[name]


class _Watch(object):
    """On sys.meta_path until every wanted module was imported (watch.py)."""

    wanted = WANTED

    def find_spec(self, name, path=None, target=None):
        if name in self.wanted:
            try:
                return _part("watch")["find"](self, name, path, target)
            except Exception:
                pass
        return None


def _copy_warnings(warnings, name):
    shown = getattr(warnings, name)

    def show(message):
        try:
            _part("logs")[name](warnings, message)
        except Exception:
            pass
        return shown(message)

    setattr(warnings, name, show)


try:
    _restore(os.path.dirname(os.path.abspath(__file__)))
    sys.meta_path.insert(0, _Watch())
    for _name in WANTED & set(sys.modules):
        _part("watch")["seen"](sys.meta_path[0], _name, sys.modules[_name])
    if NOTEBOOK is not None:
        _part("notebook")
    if LEVEL <= 30:
        # the interpreter shows warnings without anybody being able to look, until this is imported
        import warnings
        _copy_warnings(warnings, "_showwarnmsg_impl")
        _copy_warnings(warnings, "_showwarnmsg")
except Exception:
    pass
# The user's own sitecustomize takes our place; where there is none this is the ImportError that site.py expects.
sys.modules.pop(__name__, None)
import sitecustomize
