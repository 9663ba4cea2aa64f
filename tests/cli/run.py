#!/usr/bin/env python3
"""Drives the real binary: python3 tests/cli/run.py [BINARY] [unittest arguments]."""
import os
import pathlib
import sys
import unittest

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here))
sys.dont_write_bytecode = True
arguments = sys.argv[1:]
if arguments and os.path.exists(arguments[0]):
    os.environ["JIANG_BINARY"] = os.path.abspath(arguments.pop(0))

import support  # noqa: E402  (reads JIANG_BINARY)

if __name__ == "__main__":
    loader = unittest.TestLoader()
    names = [a for a in arguments if not a.startswith("-")]
    suite = loader.loadTestsFromNames(names) if names else loader.discover(str(here), "*_test.py")
    verbosity = 2 if "-v" in arguments else 1
    result = unittest.TextTestRunner(verbosity=verbosity, failfast="-f" in arguments).run(suite)
    support.clean_up()
    sys.exit(not result.wasSuccessful())
