# SPDX-License-Identifier: Apache-2.0
# Copies of log records and shown warnings for profile_logs.log. Given: LOGS (path, bytes), LEVEL (number).
import os
import time

# as they are now, whatever the script replaces later
_open, _write, _close, _localtime, _strftime = os.open, os.write, os.close, time.localtime, time.strftime
_flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def append(seconds, level, name, text):
    """One record, one write: threads and forked children share the file. Not kept open: the number of a
    descriptor would show, and a script that closes all descriptors would have us write into a file of its own."""
    line = "%s %s %s: %s\n" % (_strftime("%Y-%m-%d %H:%M:%S", _localtime(seconds)), level, name, text)
    fd = _open(LOGS, _flags, 0o666)
    try:
        _write(fd, line.encode("utf-8", "backslashreplace"))
    finally:
        _close(fd)


def message_of(record):
    try:
        return record.getMessage()
    except Exception:
        # logging itself is about to complain; keep what can be kept
        return str(record.msg)


def watch_logging(logging):
    formatter = logging.Formatter()
    call_handlers = logging.Logger.callHandlers

    def callHandlers(self, record):
        try:
            if record.levelno >= LEVEL:
                text = message_of(record)
                trace = record.exc_text or (record.exc_info and formatter.formatException(record.exc_info))
                for more in (trace, record.stack_info):
                    if more:
                        text += "\n" + more
                append(record.created, record.levelname, record.name, text.rstrip("\n"))
        except Exception:
            pass
        return call_handlers(self, record)

    callHandlers.__doc__ = call_handlers.__doc__
    callHandlers.__qualname__ = call_handlers.__qualname__
    callHandlers.__module__ = call_handlers.__module__
    logging.Logger.callHandlers = callHandlers


def log_warning(message):
    where = "%s:%s: %s: %s" % (message.filename, message.lineno, message.category.__name__, message.message)
    append(time.time(), "WARNING", "py.warnings", where)


def _showwarnmsg_impl(warnings, message):
    """The usual way to stderr; catch_warnings(record=True) replaces it, or (3.14) gives the context a list."""
    context = getattr(warnings, "_get_context", None)
    if context is None or getattr(context(), "log", None) is None:
        log_warning(message)


def _showwarnmsg(warnings, message):
    """The way to a showwarning() of the script's own. That of logging.captureWarnings() makes a record anyway."""
    show = warnings.showwarning
    if show is not warnings._showwarning_orig and getattr(show, "__module__", None) != "logging":
        log_warning(message)
