# SPDX-License-Identifier: Apache-2.0
"""The figures of each program, and the tables."""

import statistics
import sys

from ways import OURS, THREE

QUARTILES = "[quartiles]"
COLUMNS = "%-11s  %7s  %-13s  %7s  %8s  %9s  %9s  %7s  %8s"
HEADER = COLUMNS % ("", "ratio", "[quartiles]", "cpu", "seconds", "own CPU", "own RSS", "to end", "more RSS")


def quartiles(values):
    if len(values) < 2:
        return values[0], values[0], values[0]
    first, median, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, median, third


class Figures:
    """What was measured of one program."""

    def __init__(self, results, alone, problems):
        self.results, self.alone, self.problems = results, alone, problems
        self.exact = {}  # {way: share of the program's CPU time that BPF takes}
        # {heading: [quotient of ratios per round]} of neighbouring ways
        self.above = {}
        for lower, upper, name in zip(THREE, THREE[1:], ("above timer", "-m above")):
            both = [pairs for pairs in results if lower in pairs and upper in pairs]
            self.above[name] = [pairs[upper].ratio / pairs[lower].ratio for pairs in both]
            self.above[name + " by CPU"] = [pairs[upper].cpu_ratio / pairs[lower].cpu_ratio for pairs in both]

    def pairs(self, way):
        return [pairs[way] for pairs in self.results if way in pairs]

    def ratios(self, way):
        return [pair.ratio for pair in self.pairs(way)]

    def seconds(self):
        return [run.seconds for run in self.alone]


def row(way, pairs):
    first, median, third = quartiles([pair.ratio for pair in pairs])
    runs = [pair.run for pair in pairs]
    own = [run.own for run in runs if run.own]
    if own:
        cost = "%.3f s" % statistics.median(cpu for cpu, _ in own), "%.1f MB" % (max(rss for _, rss in own) / (1 << 20))
    else:
        cost = "%.3f*s" % statistics.median(run.beside for run in runs), ""
    return COLUMNS % (
        way,
        "%.3f" % median,
        "[%.3f-%.3f]" % (first, third),
        "%.3f" % statistics.median(pair.cpu_ratio for pair in pairs),
        "%.3f" % statistics.median(run.seconds for run in runs),
        *cost,
        "%.3f" % max(0.0, statistics.median(pair.more_after for pair in pairs)),
        "%.1f MB" % statistics.median(pair.more_memory for pair in pairs),
    )


def block(program, loops, ways, figures):
    """One program, a line per way."""
    switches = statistics.median(run.switches / run.seconds for run in figures.alone)
    print("\n%s (%d loops, %.0f switches/s, %d rounds)\n%s" % (program, loops, switches, len(figures.results), HEADER))
    first, median, third = quartiles(figures.seconds())
    print(COLUMNS % ("alone", "1.000", "[%.3f-%.3f]" % (first / median, third / median), "", "%.3f" % median, "", "", "", ""))
    for way in ways:
        if figures.pairs(way):
            print(row(way, figures.pairs(way)))
        if way in figures.problems:
            print("%-11s  failed: %s" % (way, figures.problems[way]))
    for name, values in figures.above.items():
        if values:
            first, median, third = quartiles(values)
            print("%-18s  %7.3f  [%.3f-%.3f]" % (name, median, first, third))
    sys.stdout.flush()


def columns(ways, everything):
    """[(heading, how to write a value, {program: value})] of the table over all programs."""

    def column(heading, style, value):
        values = {program: value(figures) for program, figures in everything.items()}
        return heading, style, {program: found for program, found in values.items() if found is not None}

    def median(values):
        return statistics.median(values) if values else None

    table = [column("alone s", "%.3f", lambda figures: median(figures.seconds()))]
    for way in ways:
        if way != "alone":
            table.append(column(way, "%.3f", lambda figures, way=way: median(figures.ratios(way))))
        if way in THREE[1:]:
            name = "above timer" if way == THREE[1] else "-m above"
            table.append(column(name, "%.3f", lambda figures, name=name: median(figures.above[name])))
            table.append(column(QUARTILES, "%s", lambda figures, name=name: "%.3f-%.3f" % quartiles(figures.above[name])[::2] if figures.above[name] else None))
            table.append(column("by CPU", "%.3f", lambda figures, name=name: median(figures.above[name + " by CPU"])))
    for way in OURS[1:]:
        table.append(column("BPF %% %s" % way.split()[1], "%.2f", lambda figures, way=way: figures.exact.get(way)))
    return [entry for entry in table if entry[2]]


def overview(ways, everything):
    """A line per program, a column per way; below, the median and the worst of each column."""
    table = columns(ways, everything)
    widths = [max(len(heading), 11 if heading == QUARTILES else 7) for heading, _, _ in table]

    def line(name, cells):
        print("  ".join(["%-13s" % name] + ["%*s" % (width, cell) for width, cell in zip(widths, cells)]).rstrip())

    print("\nover all: seconds alone, medians of the ratios, and the share of the program's CPU time that BPF programs take, by the kernel's count")
    line("", [heading for heading, _, _ in table])
    for program, figures in everything.items():
        failed = {way for way in figures.problems if not figures.pairs(way)}
        line(program, [style % values[program] if program in values else "failed" if heading in failed else "" for heading, style, values in table])
    for name, pick in (("median", statistics.median), ("worst", max)):
        line(name, ["" if heading in ("alone s", QUARTILES) else style % pick(values.values()) for heading, style, values in table])
    for program, figures in everything.items():
        for way, problem in figures.problems.items():
            print("%s under %s failed: %s" % (program, way, problem))
    sys.stdout.flush()
