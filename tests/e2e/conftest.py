# SPDX-License-Identifier: Apache-2.0
"""
End to end: the built profiler over programs with known answers. As root: pytest tests/e2e [--full].

FIXINGAHOLE names the binary (default build/fixingahole). Without --full, runs are short, and only the tests in
test_core.py go over every interpreter; with it, the accuracy tests do too, in runs of ten seconds.
"""

import os
import shutil
import signal
import tempfile

import pytest

import interpreters
from project import Project

REPOSITORY = interpreters.REPOSITORY
OLDEST = (3, 8)
LIBRARIES = ("libfixingahole-heap.so", "libfixingahole-calls.so")


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="long runs, on every interpreter")


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # in the background of a shell; what ignores it from its start on cannot be interrupted by a test
        signal.signal(signal.SIGINT, signal.default_int_handler)
    binary = os.path.abspath(os.environ.get("FIXINGAHOLE", os.path.join(REPOSITORY, "build/fixingahole")))
    if not os.access(binary, os.X_OK):
        raise pytest.UsageError("no profiler at %s: run make, or name it in FIXINGAHOLE" % binary)
    config.scratch = tempfile.mkdtemp(prefix="fixingahole-e2e-")
    os.chmod(config.scratch, 0o755)  # other users' tests run in there
    # Runnable by any user, wherever the repository lies.
    config.binary = shutil.copy(binary, os.path.join(config.scratch, "fixingahole"))
    os.chmod(config.binary, 0o755)
    for library in LIBRARIES:
        shutil.copy(os.path.join(os.path.dirname(binary), library), config.scratch)
        os.chmod(os.path.join(config.scratch, library), 0o644)
    folder = os.path.join(config.scratch, "interpreters")
    os.mkdir(folder, 0o755)
    config.interpreters = interpreters.find(folder)
    config.debian = [i for i in config.interpreters if i.path == interpreters.DEBIAN]


def pytest_unconfigure(config):
    if hasattr(config, "scratch"):
        shutil.rmtree(config.scratch, ignore_errors=True)


def pytest_report_header(config):
    return ["profiler: %s" % config.binary, "interpreters: " + " ".join(i.id for i in config.interpreters)]


def pytest_generate_tests(metafunc):
    """every_python: each supported one. python: Debian's; each supported one with --full. old_python: those before."""
    config = metafunc.config
    supported = [i for i in config.interpreters if i.version >= OLDEST]
    choices = {
        "every_python": supported,
        "python": supported if config.getoption("--full") else config.debian,
        "old_python": [i for i in config.interpreters if i.version < OLDEST],
    }
    for name, values in choices.items():
        if name in metafunc.fixturenames and not hasattr(metafunc.module, name):  # a module may have its own
            metafunc.parametrize(name, values, ids=[i.id for i in values])


@pytest.fixture(autouse=True)
def needs_root():
    if os.geteuid() != 0:
        pytest.skip("not root: nothing can be attached")


@pytest.fixture
def full(request):
    return request.config.getoption("--full")


@pytest.fixture
def project(request):
    """A fresh folder, the root of a project, readable by everybody."""
    folder = tempfile.mkdtemp(prefix="project-", dir=request.config.scratch)
    os.chmod(folder, 0o755)
    yield Project(folder, request.config.binary)
    shutil.rmtree(folder, ignore_errors=True)
