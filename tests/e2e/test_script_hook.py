# SPDX-License-Identifier: Apache-2.0
"""The start-up hook alone (userspace/target/hook), under every interpreter at hand; no kernel part, no root.

What the script can notice of it, and no more: `warnings` is imported (else the interpreter prints warnings without
anybody being able to look), and until logging (or the plot modules) are imported one finder more is on sys.meta_path.
"""

import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap

import pytest

HOOK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "userspace", "target", "hook")
STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def interpreters():
    found = sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/3.*/bin/python3"))) + ["/usr/bin/python3"]
    found = [os.environ["PYTHON"]] if os.environ.get("PYTHON") else [path for path in found if os.access(path, os.X_OK)]
    return found


@pytest.fixture(params=interpreters())
def python(request):
    return request.param


@pytest.fixture
def box(tmp_path):
    box = Box(tmp_path)
    yield box
    # a hook removes itself, but not if its interpreter never came to it
    for directory in box.hooks:
        shutil.rmtree(directory, ignore_errors=True)


class Box:
    """A folder with scripts, and runs of them with and without a hook."""

    def __init__(self, folder):
        self.folder = folder
        self.logs = folder / "out.log"
        self.hooks = []

    def put(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return str(path)

    def environment(self, **more):
        env = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "FIXINGAHOLE_PROFILE": "1"}
        env.update(more)
        return env

    def hook(self, pythonpath=None, level=20, matplotlib=False, plotly=False, notebook=None, logs=None):
        """As hook.c writes it; tests/unit/test_script.c checks that."""
        directory = pathlib.Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        self.hooks.append(directory)
        texts = {}
        for name in ("sitecustomize", "watch", "logs", "plots", "notebook"):
            with open(os.path.join(HOOK, name + ".py"), "rb") as file:
                texts[name] = file.read()
        wanted = {"logging"} | ({"matplotlib.pyplot"} if matplotlib else set()) | ({"plotly.io._renderers", "plotly.offline.offline"} if plotly else set())
        values = (("PYTHONPATH", None if pythonpath is None else os.fsencode(pythonpath)), ("LOGS", os.fsencode(logs or str(self.logs))),
                  ("LEVEL", level), ("WANTED", wanted), ("NOTEBOOK", notebook and os.fsencode(notebook)), ("PARTS", {name: texts[name] for name in texts if name != "sitecustomize"}))
        constants = "".join("%s = %r\n" % pair for pair in values)
        (directory / "sitecustomize.py").write_bytes(constants.encode("ascii") + texts["sitecustomize"])
        (directory / "__pycache__").write_text("")
        return str(directory)

    def run(self, python, *args, env=None, hook=None, **options):
        env = dict(env or self.environment())
        if hook:
            old = env.get("PYTHONPATH")
            env["PYTHONPATH"] = hook + (":" + old if old else "")
        done = subprocess.run([python, *args], env=env, cwd=str(self.folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, **options)
        if hook:
            assert not os.path.exists(hook), "the hook has left its directory behind"
        return done

    def both(self, python, *args, env=None, **options):
        """Alone and with the hook; the same exit status, output and errors. Returns the run with the hook."""
        alone = self.run(python, *args, env=env)
        hooked = self.run(python, *args, env=env, hook=self.hook((env or {}).get("PYTHONPATH"), **options))
        assert (hooked.returncode, hooked.stdout.decode(), hooked.stderr.decode()) == (alone.returncode, alone.stdout.decode(), alone.stderr.decode())
        return hooked

    def records(self):
        return self.logs.read_text(encoding="utf-8") if self.logs.exists() else ""


PROBE = """
    import sys
    seen = {"modules": sorted(sys.modules), "meta_path": [getattr(f, "__name__", type(f).__name__) for f in sys.meta_path]}
    import os, json, subprocess
    seen.update(argv=sys.argv, path=sys.path, environ=dict(os.environ), file=__file__, name=__name__, flags=list(sys.flags), doc=__doc__,
                names=sorted(globals()), cache=sorted(map(str, sys.path_importer_cache)), hooks=len(sys.path_hooks), cwd=os.getcwd(),
                fds=sorted(os.listdir("/proc/self/fd")), prefix=sys.prefix, executable=sys.executable, builtins=sorted(dir(__builtins__)),
                child=subprocess.check_output(["/usr/bin/env"]).decode("ascii", "backslashreplace").splitlines())
    try:
        import sitecustomize
        seen["sitecustomize"] = sitecustomize.__file__
    except ImportError as error:
        seen["sitecustomize"] = repr(error)
    json.dump(seen, sys.stdout)
"""


def probe(box, python, env):
    script = box.put("dir with space/probe.py", PROBE)
    alone = box.run(python, script, "an arg", "-x", env=env)
    hooked = box.run(python, script, "an arg", "-x", env=env, hook=box.hook(env.get("PYTHONPATH")))
    assert alone.returncode == hooked.returncode == 0, hooked.stderr
    assert alone.stderr == hooked.stderr
    alone, hooked = json.loads(alone.stdout.decode()), json.loads(hooked.stdout.decode())
    # what cannot be avoided
    assert set(hooked["modules"]) - set(alone["modules"]) <= {"warnings"}
    assert set(alone["modules"]) <= set(hooked["modules"])
    assert hooked["meta_path"][0] == "_Watch"
    assert hooked["meta_path"][1:] == alone["meta_path"]
    for run in (alone, hooked):
        del run["modules"], run["meta_path"]
    assert hooked == alone
    return hooked


def test_probe(box, python):
    probe(box, python, box.environment())


def test_probe_with_pythonpath(box, python):
    box.put("mine/sub/__init__.py", "")
    seen = probe(box, python, box.environment(PYTHONPATH=str(box.folder / "mine") + ":/nonexistent"))
    assert seen["environ"]["PYTHONPATH"] == str(box.folder / "mine") + ":/nonexistent"


def test_probe_with_empty_pythonpath(box, python):
    probe(box, python, box.environment(PYTHONPATH=""))


def test_probe_with_odd_pythonpath(box, python):
    name = os.fsdecode(b"/q'\"\\ \n\xff\xc3\xa4")
    seen = probe(box, python, box.environment(PYTHONPATH=name))
    assert os.fsencode(seen["environ"]["PYTHONPATH"]) == os.fsencode(name)


def test_probe_with_users_sitecustomize(box, python):
    box.put("mine/sitecustomize.py", "import sys\nsys.mine = sys.modules[__name__].__file__\n")
    seen = probe(box, python, box.environment(PYTHONPATH=str(box.folder / "mine")))
    assert seen["sitecustomize"] == str(box.folder / "mine" / "sitecustomize.py")


def test_users_sitecustomize_runs_once_and_may_fail(box, python):
    box.put("mine/sitecustomize.py", "import os\nos.write(1, b'mine\\n')\nraise ValueError('mine')\n")
    script = box.put("x.py", "print('script')\n")
    done = box.both(python, script, env=box.environment(PYTHONPATH=str(box.folder / "mine")))
    assert done.stdout == b"mine\nscript\n"
    assert b"ValueError: mine" in done.stderr


def test_hook_that_cannot_restore(box, python):
    """Whatever goes wrong in the hook, the script runs, once."""
    script = box.put("x.py", "print('script')\n")
    hook = box.hook()
    path = os.path.join(hook, "sitecustomize.py")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("PYTHONPATH = None", "PYTHONPATH = 7"))
    done = subprocess.run([python, script], env=box.environment(PYTHONPATH=hook), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"script\n", b"")


def test_module_and_command_and_stdin(box, python):
    box.put("pkg/__main__.py", "import sys; print(__name__, __file__, sys.argv, sys.path[0])\n")
    box.both(python, "-m", "pkg", "a")
    box.both(python, "-c", "import sys; print(sys.argv, sys.path[0])", "b")


def test_virtual_environment(box, python):
    if subprocess.run([python, "-m", "venv", "--without-pip", str(box.folder / "env")], stdout=subprocess.PIPE, stderr=subprocess.PIPE).returncode:
        pytest.skip("this interpreter has no venv module")
    seen = probe(box, str(box.folder / "env" / "bin" / "python"), box.environment())
    assert seen["prefix"] == str(box.folder / "env")


LOGGING = """
    import logging, sys, threading
    logging.getLogger("lib").debug("no")
    logging.getLogger("lib").warning("last %s", "resort")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s|%(funcName)s|%(lineno)d|%(message)s", stream=sys.stderr)
    logging.basicConfig(level=logging.DEBUG)
    log = logging.getLogger("a.b")
    log.debug("no")
    log.info("f\\u00fcnf %d", 5)
    def handle():
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("boom")
    handle()
    quiet = logging.getLogger("quiet")
    quiet.disabled = True
    quiet.error("no")
    log.addFilter(lambda record: False)
    log.error("no")
    print(len(logging.getLogger().handlers), logging.getLogger().level, logging.getLogger("x").hasHandlers())
    print([type(f).__name__ for f in sys.meta_path if type(f).__name__ == "_Watch"], logging.__spec__.loader is logging.__loader__,
          "exec_module" in vars(logging.__loader__))
"""


def test_logging(box, python):
    box.both(python, box.put("x.py", LOGGING))
    text = box.records()
    assert re.match(STAMP + "WARNING lib: last resort\n" + STAMP + "INFO a.b: f\u00fcnf 5\n" + STAMP + r"ERROR a.b: boom\nTraceback \(most recent call last\):\n"
                    r'  File ".*x.py", line 12, in handle\n(.*\n)+ZeroDivisionError: .*\n$', text), text
    assert "no\n" not in text


def test_level(box, python):
    box.both(python, box.put("x.py", LOGGING), level=40)
    assert re.match(STAMP + "ERROR a.b: boom\n", box.records())


def test_no_records_no_file(box, python):
    box.both(python, box.put("x.py", "import logging, warnings\nlogging.getLogger().info('no')\n"))
    assert not box.logs.exists()


def test_broken_records(box, python):
    # the same complaint on stderr as alone, and the script goes on
    script = box.put("x.py", """
        import logging
        logging.basicConfig(format="%(message)s")
        class Bad:
            def __str__(self):
                raise RuntimeError("bad")
            def __repr__(self):
                return "Bad"
        logging.warning("%d and", "x")
        logging.warning("%s", Bad())
        logging.warning(Bad())
        logging.warning("\\udc80 surrogate")
        print("end")
    """)
    done = box.both(python, script)
    assert done.stdout == b"end\n"
    assert "WARNING root: %d and\n" in box.records()
    assert "\\udc80 surrogate" in box.records()


def test_log_file_cannot_be_written(box, python):
    script = box.put("x.py", "import logging, warnings\nlogging.warning('a')\nwarnings.warn('b')\n")
    os.symlink(str(box.folder / "victim"), str(box.logs))
    box.both(python, script)
    assert not (box.folder / "victim").exists()


def test_threads_and_forks_share_the_file(box, python):
    script = box.put("x.py", """
        import logging, os, threading
        def work(name):
            for i in range(200):
                logging.getLogger(name).error("%d %s", i, "x" * 100)
        threads = [threading.Thread(target=work, args=("thread%d" % i,)) for i in range(3)]
        pid = os.fork()
        if not pid:
            work("child")
            os._exit(0)
        for t in threads: t.start()
        for t in threads: t.join()
        os.waitpid(pid, 0)
    """)
    box.run(python, script, hook=box.hook())
    lines = box.records().splitlines()
    assert len(lines) == 800
    for name in ("thread0", "thread1", "thread2", "child"):
        assert [line for line in lines if " ERROR %s: " % name in line and line.endswith("x" * 100)] and sum(" ERROR %s: " % name in line for line in lines) == 200


def test_descriptors_closed_by_the_script(box, python):
    script = box.put("x.py", """
        import logging, os
        logging.warning("one")
        os.closerange(3, 100)
        fd = os.open("own.txt", os.O_CREAT | os.O_WRONLY)
        logging.warning("two")
        os.write(fd, b"own")
    """)
    box.run(python, script, hook=box.hook())
    assert (box.folder / "own.txt").read_text() == "own"
    assert len(box.records().splitlines()) == 2


WARNINGS = """
    x = "\\d"
    import sys
    sys.stderr.flush()
    import warnings
    def f():
        warnings.warn("caller's", stacklevel=2)
    f()
    f()
    warnings.simplefilter("ignore")
    warnings.warn("no")
    warnings.simplefilter("always")
    with warnings.catch_warnings(record=True) as caught:
        warnings.warn("no")
    print(len(caught))
    warnings.warn("again", DeprecationWarning)
    warnings.showwarning = lambda *args, **more: print("shown", args[0])
    warnings.warn("own way")
    import logging
    warnings.showwarning = warnings._showwarning_orig
    logging.captureWarnings(True)
    warnings.warn("captured")
"""


def test_warnings(box, python):
    path = box.put("x.py", WARNINGS)
    box.both(python, path)
    text = re.sub(STAMP, "", box.records().replace(path, "x.py"))
    invalid = [line for line in text.splitlines() if "invalid escape" in line or '"\\d"' in line]
    rest = [line for line in text.splitlines() if line not in invalid]
    assert rest[:3] == ["WARNING py.warnings: x.py:8: UserWarning: caller's", "WARNING py.warnings: x.py:9: UserWarning: caller's",
                        "WARNING py.warnings: x.py:16: DeprecationWarning: again"], text
    assert rest[3] == "WARNING py.warnings: x.py:18: UserWarning: own way"
    assert rest[4] == "WARNING py.warnings: x.py:22: UserWarning: captured"
    assert len(rest) == 6 and rest[5].strip() == 'warnings.warn("captured")'


def test_warning_of_the_compiler(box, python):
    """Shown by the interpreter's C code: where it is shown, it is logged."""
    done = box.both(python, "-W", "always", box.put("x.py", 'x = "\\d"\n'))
    assert b"invalid escape sequence" in done.stderr
    assert re.match(STAMP + r"WARNING py.warnings: .*x.py:1: (Deprecation|Syntax)Warning: .*invalid escape sequence", box.records())


def test_warnings_as_errors(box, python):
    done = box.both(python, "-W", "error", box.put("x.py", "import warnings\nwarnings.warn('x')\n"))
    assert done.returncode == 1
    assert not box.logs.exists()


def test_no_warnings_above_their_level(box, python):
    script = box.put("x.py", "import sys\nprint('warnings' in sys.modules)\nimport warnings\nwarnings.warn('x')\n")
    box.both(python, script, level=40)
    assert not box.logs.exists()


def test_import_errors_are_the_same(box, python):
    box.put("broken.py", "import logging\n1 / 0\n")
    done = box.both(python, box.put("x.py", "import broken\n"))
    assert done.returncode == 1
    box.both(python, box.put("y.py", """
        import importlib.util, sys
        print(importlib.util.find_spec("logging").name, importlib.util.find_spec("nothing"))
        try:
            import logging.nothing
        except ImportError as error:
            print(repr(error))
        import logging, importlib
        importlib.reload(logging)
        logging.warning("after reload")
    """))


def test_shadowed_logging(box, python):
    """A module of the user's own with that name is not logging, and is left in peace."""
    box.put("logging.py", "print('mine')\n")
    box.both(python, box.put("x.py", "import logging\nprint(hasattr(logging, 'Logger'))\n"))


def test_display(box, python):
    script = box.put("x.py", "display('a', 1, kind='x')\ntry:\n    get_ipython\nexcept NameError:\n    print('none')\n")
    done = box.run(python, script, hook=box.hook(notebook=str(box.folder)))
    assert done.stdout == b"a 1\nnone\n"
    assert box.run(python, script, hook=box.hook()).returncode == 1


def test_notebooks_folder(box, python):
    """Modules beside the notebook are found, those beside the copy that runs (where the log is, too) are not."""
    box.put("books/beside.py", "print('beside the notebook')\n")
    box.put("beside.py", "print('beside the copy')\n")
    box.put("copy.py", "print('in place of the library')\n")
    script = box.put("x.py", "import sys\nfinders = len(sys.meta_path)\nimport beside, copy\nprint(sys.path[0], finders - len(sys.meta_path), hasattr(copy, 'deepcopy'))\n")
    done = box.run(python, script, hook=box.hook(notebook=str(box.folder / "books")))
    assert done.stdout.decode() == "beside the notebook\n%s/books 1 True\n" % box.folder, done.stderr


MATPLOTLIB = {
    "fakes/matplotlib/__init__.py": """
        rcParams = {"backend": %r}
        def use(name):
            from matplotlib import pyplot
            pyplot.switch_backend(name)
    """,
    "fakes/matplotlib/figure.py": """
        class Figure:
            def show(self): print("WINDOW")
    """,
    "fakes/matplotlib/pyplot.py": """
        import matplotlib
        def switch_backend(newbackend): matplotlib.rcParams["backend"] = newbackend
        def show(*args, **kw): print("WINDOW")
        def pause(interval):
            show(block=False)
            print("pause")
    """,
    "use.py": """
        import sys
        import matplotlib
        from matplotlib.figure import Figure
        import matplotlib.pyplot as plt
        print(matplotlib.rcParams["backend"])
        plt.show(block=True)
        Figure().show()
        plt.pause(0.1)
        matplotlib.use("TkAgg")
        print(matplotlib.rcParams["backend"])
        matplotlib.use("SVG")
        print(matplotlib.rcParams["backend"])
    """,
}


@pytest.mark.parametrize("backend,then", [("TkAgg", "agg"), ("module://x", "agg"), ("pdf", "pdf"), ("agg", "agg"), (object, "agg")])
def test_matplotlib_stays_shut(box, python, backend, then):
    for name, text in MATPLOTLIB.items():
        box.put(name, text % (backend if isinstance(backend, str) else "auto") if "%r" in text else text)
    env = box.environment(PYTHONPATH=str(box.folder / "fakes"))
    done = box.run(python, str(box.folder / "use.py"), env=env, hook=box.hook(env["PYTHONPATH"], matplotlib=True))
    assert done.stdout.decode().split() == [then, "pause", "agg", "SVG"], done.stderr
    # without the option nothing changes
    box.both(python, str(box.folder / "use.py"), env=env)


def test_real_matplotlib_stays_shut(box, python):
    if subprocess.run([python, "-c", "import matplotlib"], stderr=subprocess.PIPE).returncode:
        pytest.skip("matplotlib is not installed for this interpreter")
    script = box.put("x.py", """
        import matplotlib.pyplot as plt
        plt.plot([1, 2])
        plt.show()
        plt.gcf().show()
        plt.pause(0.01)
        print(plt.get_backend().lower())
        plt.gcf().savefig("x.png")
    """)
    done = box.run(python, "-W", "error", script, hook=box.hook(matplotlib=True))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"agg\n", b"")


def test_plotly_stays_shut(box, python):
    box.put("fakes/plotly/__init__.py", "")
    box.put("fakes/plotly/io/__init__.py", "from ._renderers import show\n")
    box.put("fakes/plotly/io/_renderers.py", "def show(fig, *args, **kw): print('BROWSER')\n")
    box.put("fakes/plotly/offline/__init__.py", "from .offline import plot, iplot\n")
    box.put("fakes/plotly/offline/offline.py", "def plot(fig, filename='x', auto_open=True):\n    print('written', filename, auto_open)\ndef iplot(fig): print('BROWSER')\n")
    script = box.put("use.py", """
        import plotly.io, plotly.offline
        plotly.io.show(1)
        plotly.offline.plot(1, filename="y", auto_open=True)
        plotly.offline.iplot(1)
        print("end")
    """)
    env = box.environment(PYTHONPATH=str(box.folder / "fakes"))
    done = box.run(python, script, env=env, hook=box.hook(env["PYTHONPATH"], plotly=True))
    assert done.stdout == b"written y False\nend\n", done.stderr
    box.both(python, script, env=env)


ORDINARY = """
    import time
    print(time.process_time())
    import os

    class Account(object):
        rate = 0.5

        def __init__(self, owner, *entries, **more):
            self.owner = owner
            self.entries = list(entries)
            self.more = {key: value for key, value in more.items() if value is not None}

        def total(self, since=None):
            return sum(entry for entry in self.entries if since is None or entry > since)

    def read(folder, names=("a", "b")):
        for name in names:
            try:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    return file.read().split("\\n")[1:-1]
            except (OSError, ValueError) as error:
                last = error
        raise last

    if __name__ == "nothing":
        account = Account("x", 1, 2, 3, currency="EUR")
        while account.total() < 10 and not account.more:
            account.entries += [account.total() * account.rate]
        print("%s: %d" % (account.owner, account.total(since=1)), read("/tmp"))
"""


def test_start_up_cost(box, python):
    """The interpreter's own CPU clock at the first line of an ordinary script, in turns, the best of each. About 2 ms, of which an empty
    sitecustomize takes 1.2; the limit leaves room for a busy machine."""
    script = box.put("x.py", ORDINARY)
    alone, hooked = [], []
    for _ in range(25):
        alone.append(float(box.run(python, script).stdout))
        hooked.append(float(box.run(python, script, hook=box.hook()).stdout))
    assert min(hooked) - min(alone) < 0.004, "%.2f ms" % ((min(hooked) - min(alone)) * 1000)
    print("%.2f ms" % ((min(hooked) - min(alone)) * 1000))
