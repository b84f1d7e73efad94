"""``python -m tests.fuzz [N] [GATE ...]``: N cases (10,000) of each gate named, or of all."""

import os
import sys
import tempfile

from tests.fuzz import GATES, fuzz

os.chdir(tempfile.mkdtemp())  # Stage(memory="") keeps its cache where it stands
number = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
for name in sys.argv[2:] or GATES:
    findings = fuzz(name, number)
    print(f"{name}: {len(findings)} findings among {number} cases", flush=True)
    for case, wrong in findings[:60]:
        print(f"  {case}: {wrong}", flush=True)
