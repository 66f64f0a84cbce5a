"""The tree and the installed wheel are tested apart: tools/test.py names the wheel that is installed."""

import os

collect_ignore = ["test_tree.py"] if "CACHELAYER_WHEEL" in os.environ else ["test_wheel.py"]
