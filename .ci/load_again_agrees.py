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


def read(name):
    return json.loads((folder / name).read_text())


def compare(workload, figures, ours, again):
    """Prints the medians of both, and holds them against each other where they are the service's."""
    if not all(other["exact"] for other in again):
        wrong.append(f"{workload}: the other generator did not get every message once and in order")
    for figure in figures:
        one = statistics.median(round[figure] for round in ours)
        two = statistics.median(round[figure] for round in again)
        judged = figure in JUDGED
        print(f"{workload:9} {figure:34} {one:12.4g} {two:12.4g} {two / one:6.2f}{'' if judged else '  (not judged)'}")
        if judged and abs(two / one - 1) > MAY_DIFFER:
            wrong.append(f"{workload}: {figure} differs by more than {MAY_DIFFER:.0%}")


print(f"{'workload':9} {'figure':34} {'verify load':>12} {'picows':>12} {'ratio':>6}")
idle = next(load for load in read("usual.ours")["workloads"] if load["name"] == "idle")
compare("idle", ["memory_kib_per_connection"], [idle["targets"][0]["figures"]], [read("idle.again")])
for workload in ["paced", "fan-out"]:
    numbers = range(1, rounds + 1)
    ours = [read(f"{workload}-{number}.ours")["workloads"][0]["targets"][0]["figures"] for number in numbers]
    again = [read(f"{workload}-{number}.again") for number in numbers]
    compare(workload, [figure for figure in JUDGED + SHOWN if "memory" not in figure], ours, again)
if wrong:
    sys.exit("\n".join(wrong))
print(f"they agree within {MAY_DIFFER:.0%}")
