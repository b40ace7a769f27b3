"""Runs a module of the openstack client's functional tests, says a line a test.

Each command is a process of its own, as the tests have it, but forked from this
one, which has the client's modules loaded already.
"""
import os
import shlex
import sys
import tempfile
import unittest

from openstackclient import shell
from openstackclient.tests.functional import base
from tempest.lib import exceptions


def child(argv, out, err):
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.argv = argv
    try:
        code = shell.main(argv[1:])
    except SystemExit as e:
        code = e.code
    except BaseException as e:  # a traceback is what the command would print
        sys.excepthook(type(e), e, e.__traceback__)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code or 0))


def execute(cmd, fail_ok=False, merge_stderr=False):
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if pid == 0:
            child(shlex.split(cmd), out, out if merge_stderr else err)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(), err.read().decode()
    if code and not fail_ok:
        raise exceptions.CommandFailed(code, cmd, stdout, stderr)
    return stdout


class Lines(unittest.TestResult):
    def addSuccess(self, test):
        print("ok", test.id())

    def addSkip(self, test, reason):
        print("skip", test.id(), reason)

    def bad(self, test, err):
        lines = [line for line in self._exc_info_to_string(err, test).splitlines() if line.strip()]
        print("NOT OK " + "\n    ".join([test.id(), *lines[-12:]]))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(test, err)


if __name__ == "__main__":
    import logging

    logging.disable(logging.DEBUG)
    base.execute = execute
    sys.stdout.reconfigure(line_buffering=True)
    unittest.defaultTestLoader.loadTestsFromName(sys.argv[1]).run(Lines())
