# SPDX-License-Identifier: Apache-2.0
"""The figures of each program, and the tables."""

import statistics
import sys

from ways import OURS

COLUMNS = "%-11s  %7s  %-13s  %7s  %8s  %9s  %9s  %7s"
HEADER = COLUMNS % ("", "ratio", "[quartiles]", "cpu", "seconds", "own CPU", "own RSS", "to end")


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
        both = [pairs for pairs in results if all(way in pairs for way in OURS[:2])]
        self.above = [pairs["ours 1000"].ratio / pairs["timer 1000"].ratio for pairs in both]
        self.cpu_above = [pairs["ours 1000"].cpu_ratio / pairs["timer 1000"].cpu_ratio for pairs in both]

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
    )


def block(program, loops, ways, figures):
    """One program, a line per way."""
    switches = statistics.median(run.switches / run.seconds for run in figures.alone)
    print("\n%s (%d loops, %.0f switches/s, %d rounds)\n%s" % (program, loops, switches, len(figures.results), HEADER))
    first, median, third = quartiles(figures.seconds())
    print(COLUMNS % ("alone", "1.000", "[%.3f-%.3f]" % (first / median, third / median), "", "%.3f" % median, "", "", ""))
    for way in ways:
        if figures.pairs(way):
            print(row(way, figures.pairs(way)))
        if way in figures.problems:
            print("%-11s  failed: %s" % (way, figures.problems[way]))
    for name, values in (("above timer", figures.above), ("  by CPU", figures.cpu_above)):
        if values:
            first, median, third = quartiles(values)
            print("%-11s  %7.3f  [%.3f-%.3f]" % (name, median, first, third))
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
        if way == "ours 1000":
            table.append(column("above timer", "%.3f", lambda figures: median(figures.above)))
            table.append(column("[quartiles]", "%s", lambda figures: "%.3f-%.3f" % quartiles(figures.above)[::2] if figures.above else None))
            table.append(column("by CPU", "%.3f", lambda figures: median(figures.cpu_above)))
    for way in OURS[1:]:
        table.append(column("BPF %% at %s" % way.split()[1], "%.2f", lambda figures, way=way: figures.exact.get(way)))
    return [entry for entry in table if entry[2]]


def overview(ways, everything):
    """A line per program, a column per way; below, the median and the worst of each column."""
    table = columns(ways, everything)
    widths = [max(len(heading), 11 if heading == "[quartiles]" else 7) for heading, _, _ in table]

    def line(name, cells):
        print("  ".join(["%-13s" % name] + ["%*s" % (width, cell) for width, cell in zip(widths, cells)]).rstrip())

    print("\nover all: seconds alone, medians of the ratios, and the share of the program's CPU time that BPF programs take, by the kernel's count")
    line("", [heading for heading, _, _ in table])
    for program, figures in everything.items():
        failed = {way for way in figures.problems if not figures.pairs(way)}
        line(program, [style % values[program] if program in values else "failed" if heading in failed else "" for heading, style, values in table])
    for name, pick in (("median", statistics.median), ("worst", max)):
        line(name, ["" if heading in ("alone s", "[quartiles]") else style % pick(values.values()) for heading, style, values in table])
    for program, figures in everything.items():
        for way, problem in figures.problems.items():
            print("%s under %s failed: %s" % (program, way, problem))
    sys.stdout.flush()
