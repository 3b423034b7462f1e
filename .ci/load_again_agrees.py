"""Compares what the two generators of .ci/load-again say: the medians of their rounds."""

import json
import pathlib
import statistics
import sys

folder, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2])
# What is the service's may differ by so much; what has the generator's own time in it is shown, and not judged.
MAY_DIFFER = 0.10
JUDGED = ["deliveries_per_second", "cpu_seconds_per_100000_deliveries", "memory_kib_per_connection", "p50_us"]
SHOWN = ["p90_us", "p99_us"]

wrong = []
print(f"{'workload':9} {'figure':34} {'verify load':>12} {'picows':>12} {'ratio':>6}")
for workload in ["paced", "fan-out"]:
    ours, again = [], []
    for number in range(1, rounds + 1):
        report = json.loads((folder / f"{workload}-{number}.ours").read_text())
        ours.append(report["workloads"][0]["targets"][0]["figures"])
        other = json.loads((folder / f"{workload}-{number}.again").read_text())
        if not other["exact"]:
            wrong.append(f"{workload}: the other generator did not get every message once and in order")
        again.append(other)
    for figure in JUDGED + SHOWN:
        one = statistics.median(figures[figure] for figures in ours)
        two = statistics.median(figures[figure] for figures in again)
        print(f"{workload:9} {figure:34} {one:12.4g} {two:12.4g} {two / one:6.2f}")
        if figure in JUDGED and abs(two / one - 1) > MAY_DIFFER:
            wrong.append(f"{workload}: {figure} differs by more than {MAY_DIFFER:.0%}")
if wrong:
    sys.exit("\n".join(wrong))
print(f"they agree within {MAY_DIFFER:.0%}")
