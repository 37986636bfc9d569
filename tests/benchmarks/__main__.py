"""Run all benchmarks or those named, one by one: `python -m tests.benchmarks [NAME …]`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return how many failed."""
    folder = Path(__file__).parent
    known = sorted(path.stem.removeprefix("bench_") for path in folder.glob("bench_*.py"))
    if unknown := set(names) - set(known):
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return len(unknown)
    failed = 0
    for name in names or known:
        print(f"\n## {name}\n", flush=True)
        # A process each: one benchmark's threads and caches must not weigh on the next.
        run = subprocess.run([sys.executable, "-m", f"tests.benchmarks.bench_{name}"])
        failed += run.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
