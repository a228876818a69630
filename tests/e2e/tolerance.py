# SPDX-License-Identifier: Apache-2.0
"""What sampling can promise. Shares of n samples scatter by sqrt(p(1-p)/n); short runs get three times that."""

import math

RATE = 1000


def assert_shares(seen, truth, points):
    """Each share of the seen seconds is that of the truth, within so many percentage points or three sigma."""
    whole_seen, whole = sum(seen.values()), sum(truth.values())
    assert whole_seen > 0, "nothing was seen"
    report = []
    for name, seconds in truth.items():
        share = seconds / whole
        sigma = math.sqrt(share * (1 - share) / (whole * RATE))
        allowed = max(points / 100, 3 * sigma)
        off = seen.get(name, 0) / whole_seen - share
        report.append("%s: %.2f %% where %.2f is true, %.2f allowed%s" % (name, 100 * (share + off), 100 * share, 100 * allowed, " <-- off" if abs(off) > allowed else ""))
    assert not any("<-- off" in text for text in report), "\n".join(report)


def assert_seconds(seen, truth, what, relative=0.05):
    """Seconds within that share of the truth, or three sigma of a count of samples."""
    allowed = max(relative * truth, 3 * math.sqrt(truth / RATE), 0.004)
    assert abs(seen - truth) <= allowed, "%s: %.3f s where %.3f is true, %.3f allowed" % (what, seen, truth, allowed)


def assert_sum(result):
    """All lines and what is outside are the whole: 100 % within 0.1."""
    total = result.outside.total
    for entry in result.details["files"]:
        total += sum(row.total for row in result.lines(entry["path"]).values())
    assert abs(total / result.whole.total - 1) <= 0.001, "lines add up to %.2f %%" % (100 * total / result.whole.total)
