"""Simulates a fleet of members of a consumer group: skewed keys, stragglers and rebalances.

    python benches/fleet.py [--members 64] [--partitions 256] [--used 0.5] [--seed 1] [--out FILE]

Prints a table, and draws `docs/capacity.svg` or FILE. A member is one process with one core. Each
partition has a rate, a backlog and records since its last save. A member works on the partitions
that it has, in proportion to their backlogs. The costs are those of `benches/capacity.py`. Equal
arguments give equal results.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from capacity import COSTS, Load, Machine, need, table

#: Seconds of one step of the simulation, and of all of it.
STEP, SECONDS = 0.5, 900.0
#: When the disturbance begins and ends.
FROM, UNTIL = 120.0, 420.0
#: Keys of the records, in the skewed scenarios.
KEYS = 200_000
#: Lag in seconds up to which a partition counts as caught up.
CALM = 2.0

INK, SOFT, WORST, MEDIAN = "#222", "#777", "#b4472e", "#1f6f8b"


@dataclass(slots=True)
class Partition:
    """A partition of the topic."""

    #: Records a second that arrive.
    rate: float
    #: Records that wait, and records that were read since the last save.
    backlog: float = 0.0
    unsaved: float = 0.0
    owner: int | None = None
    #: When its present owner can begin, and when the state was saved.
    ready_at: float = 0.0
    saved_at: float = 0.0


@dataclass(slots=True)
class Fleet:
    """Members and partitions at one time."""

    partitions: list[Partition]
    members: set[int]
    #: Records a second of a member with the whole of a core.
    pace: float
    #: Seconds that a partition takes to be saved, and to be restored.
    save: float
    restore: float
    machine: Machine
    chance: random.Random
    #: Share of the pace of slow members.
    slow: dict[int, float] = field(default_factory=dict)
    now: float = 0.0
    #: Partitions whose owner is gone, and when the group notices.
    lost: list[tuple[float, Partition]] = field(default_factory=list)

    def balance(self) -> None:
        """Gives partitions without an owner to the members that have the fewest, and moves others
        until their numbers differ by one at most, as a sticky assignment does."""
        of: dict[int, list[Partition]] = {member: [] for member in sorted(self.members)}
        waiting = [one for _, one in self.lost]
        for one in self.partitions:
            if one.owner in of:
                of[one.owner].append(one)
            elif not any(one is other for other in waiting):
                self._give(one, min(of, key=lambda member: len(of[member])), of, moved=False)
        while True:
            most = max(of, key=lambda member: len(of[member]))
            least = min(of, key=lambda member: len(of[member]))
            if len(of[most]) - len(of[least]) < 2:
                return
            self._give(of[most].pop(0), least, of, moved=True)

    def _give(
        self, one: Partition, to: int, of: dict[int, list[Partition]], *, moved: bool
    ) -> None:
        """A partition that moves is saved first; both owners do nothing else with it."""
        of[to].append(one)
        one.owner = to
        one.ready_at = self.now + self.restore + (self.save if moved else 0.0)
        if moved:
            one.unsaved = 0.0

    def leave(self, member: int) -> None:
        """A member ends in order: it saves its partitions, and the others take them."""
        self.members.discard(member)
        for one in self.partitions:
            if one.owner == member:
                one.owner, one.unsaved = None, 0.0
        self.balance()

    def kill(self, member: int) -> None:
        """A member ends at once. The group notices later, and the records since the last save of
        its partitions are read again."""
        self.members.discard(member)
        for one in self.partitions:
            if one.owner == member:
                one.owner = None
                self.lost.append((self.now + self.machine.detect_seconds, one))

    def join(self, member: int) -> None:
        """A member joins."""
        self.members.add(member)
        self.balance()

    def step(self) -> None:
        """One step: records arrive, members work, states are saved."""
        self.now += STEP
        noticed = [one for at, one in self.lost if at <= self.now]
        if noticed:
            self.lost = [(at, one) for at, one in self.lost if at > self.now]
            for one in noticed:
                one.backlog, one.unsaved = one.backlog + one.unsaved, 0.0
            self.balance()
        for one in self.partitions:
            one.backlog += one.rate * STEP * self.chance.uniform(0.8, 1.2)
        of: dict[int, list[Partition]] = {}
        for one in self.partitions:
            if one.owner is not None and one.ready_at <= self.now:
                of.setdefault(one.owner, []).append(one)
        for member, owned in of.items():
            waiting = sum(one.backlog for one in owned)
            most = self.pace * STEP * self.slow.get(member, 1.0)
            share = min(1.0, most / waiting) if waiting else 0.0
            for one in owned:
                done = one.backlog * share
                one.backlog -= done
                one.unsaved += done
                if self.now - one.saved_at >= self.machine.save_seconds:
                    one.saved_at, one.unsaved = self.now, 0.0

    def lags(self) -> list[float]:
        """Seconds by which the partitions are behind, in order."""
        return sorted(one.backlog / one.rate for one in self.partitions if one.rate)


def even(count: int, total: float, chance: random.Random) -> list[float]:
    """Rates of partitions by many keys of equal rates."""
    return [total / count * chance.uniform(0.9, 1.1) for _ in range(count)]


def zipf(count: int, total: float, chance: random.Random) -> list[float]:
    """Rates of partitions by keys of which the n-th has 1/n of the records of the first."""
    rates = [0.0] * count
    whole = sum(1 / rank for rank in range(1, KEYS + 1))
    for rank in range(1, KEYS + 1):
        rates[chance.randrange(count)] += total / rank / whole
    return rates


def one_key(count: int, total: float, chance: random.Random) -> list[float]:
    """Rates of partitions where one key has 90 % of the records."""
    rates = even(count, 0.1 * total, chance)
    rates[0] += 0.9 * total
    return rates


def nothing(fleet: Fleet) -> None:
    """A calm fleet."""


def straggler(fleet: Fleet) -> None:
    """One member has 40 % of its core for a while."""
    fleet.slow = {0: 0.4} if FROM <= fleet.now < UNTIL else {}


def killed(fleet: Fleet) -> None:
    """One member is killed and does not come back."""
    if fleet.now == FROM:
        fleet.kill(0)


def rolling(fleet: Fleet) -> None:
    """Eight members are restarted one after the other, each away for 20 s."""
    for turn in range(min(8, len(fleet.partitions))):
        if fleet.now == FROM + 40 * turn and turn in fleet.members:
            fleet.leave(turn)
        if fleet.now == FROM + 40 * turn + 20:
            fleet.join(turn)


#: The scenarios: name, rates of the partitions, what happens.
SCENARIOS: list[tuple[str, Callable[..., list[float]], Callable[[Fleet], None]]] = [
    ("even keys", even, nothing),
    ("a member at 40 % of its core for 300 s", even, straggler),
    ("a member killed", even, killed),
    ("eight members restarted in turn", even, rolling),
    ("Zipf keys", zipf, nothing),
    ("one key with 90 % of the records", one_key, nothing),
]


@dataclass(frozen=True, slots=True)
class Course:
    """The worst and the median lag of a scenario at each step, in seconds."""

    name: str
    worst: list[float]
    median: list[float]

    @property
    def end(self) -> float | None:
        """Seconds from the begin of the disturbance until all partitions are calm for good."""
        late = [step for step, lag in enumerate(self.worst) if lag > CALM]
        if late and late[-1] == len(self.worst) - 1:
            return None
        return (late[-1] + 1) * STEP - FROM if late else 0.0


def run(members: int, partitions: int, used: float, seed: int) -> tuple[list[Course], float]:
    """Simulates every scenario; also returns the records a second."""
    costs, load, machine = COSTS["requests"], Load(), Machine()
    pace = need(load, costs, machine).of_core
    total = used * pace * members
    series = load.series * total / load.records / partitions
    read = series * costs.state_bytes / (machine.network_bytes / machine.cores)
    save, restore = (read + 1e-6 * one * series for one in (costs.save_us, costs.restore_us))
    found = []
    for name, rates, disturb in SCENARIOS:
        chance = random.Random(seed)
        parts = [Partition(rate) for rate in rates(partitions, total, chance)]
        for one in parts:
            # the partitions are not saved all at once
            one.saved_at = -chance.uniform(0.0, machine.save_seconds)
            one.unsaved = -one.saved_at * one.rate
        fleet = Fleet(parts, set(range(members)), pace, save, restore, machine, chance)
        fleet.balance()
        for one in parts:
            one.ready_at = 0.0
        worst, median = [], []
        while fleet.now < SECONDS:
            disturb(fleet)
            fleet.step()
            lags = fleet.lags()
            worst.append(lags[-1])
            median.append(lags[len(lags) // 2])
        found.append(Course(name, worst, median))
    return found, total


def text(x: float, y: float, words: str, fill: str = INK, anchor: str = "start") -> str:
    """A text of the picture."""
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{fill}" text-anchor="{anchor}">{words}</text>'


def line(values: list[float], x: float, y: float, most: float, colour: str) -> str:
    """A line through values, in a panel of 380 by 130."""
    every = values[::4]
    points = (
        f"{x + 380 * place / (len(every) - 1):.1f},{y + 130 - 130 * value / most:.1f}"
        for place, value in enumerate(every)
    )
    return f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="2"/>'


def picture(courses: list[Course], title: str) -> str:
    """The lags of all scenarios, one panel each."""
    rows = -(-len(courses) // 2)
    width, height = 960, 60 + 210 * rows
    parts = [
        text(20, 24, title),
        text(width - 20, 24, "worst partition", WORST, "end"),
        text(width - 140, 24, "median", MEDIAN, "end"),
        text(width - 200, 24, "lag in seconds:", SOFT, "end"),
    ]
    for place, course in enumerate(courses):
        x, y = 60 + 470 * (place % 2), 70 + 210 * (place // 2)
        most = max(5.0, 1.1 * max(course.worst))
        parts.append(text(x, y - 10, course.name))
        for share in (0.0, 0.5, 1.0):
            height_of = y + 130 - 130 * share
            parts.append(f'<path d="M{x} {height_of:.0f} h380" stroke="#ddd"/>')
            parts.append(text(x - 6, height_of + 4, f"{most * share:.3g}", SOFT, "end"))
        for minute in range(0, int(SECONDS / 60) + 1, 3):
            at = x + 380 * minute * 60 / SECONDS
            parts.append(text(at, y + 148, f"{minute} min", SOFT, "middle"))
        parts.append(line(course.worst, x, y, most, WORST))
        parts.append(line(course.median, x, y, most, MEDIAN))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="sans-serif" font-size="12" role="img"'
        f' aria-label="{title}"><rect width="100%" height="100%" fill="#fff"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def main() -> None:
    """Simulates, prints the table and draws the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, default=64)
    parser.add_argument("--partitions", type=int, default=256)
    parser.add_argument("--used", type=float, default=0.5, help="share of the cores in use")
    parser.add_argument("--seed", type=int, default=1)
    out = Path(__file__).resolve().parents[1] / "docs/capacity.svg"
    parser.add_argument("--out", type=Path, default=out, help="the picture")
    given = parser.parse_args()
    if given.members < 2 or given.partitions < 1 or not given.used > 0:
        parser.error("at least two members, a partition, and a share above 0")
    courses, total = run(given.members, given.partitions, given.used, given.seed)
    rows = []
    for course in courses:
        end = "does not" if course.end is None else f"{course.end:.0f} s"
        last = f"{course.worst[-1]:.1f} s"
        rows.append((course.name, [f"{max(course.worst):.1f} s", last, end]))
    print(table(rows, ["worst lag", "at the end", "caught up after"]))
    title = (
        f"{given.members} members, {given.partitions} partitions, {total / 1e6:.2g} million "
        f"requests/s, {100 * given.used:.0f} % of the cores in use"
    )
    given.out.write_text(picture(courses, title), "ascii")


if __name__ == "__main__":
    main()
