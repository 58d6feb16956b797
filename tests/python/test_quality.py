"""Accuracy measures on cases that can be counted by hand, and the command that prints them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import mad
from mad import _core
from mad.cli import main
from mad.quality import measures, sensitivity, sets
from mad.quality.nab import nab_score


def flags(text: str) -> np.ndarray:
    return np.array([letter != "." for letter in text])


def test_runs_and_false_events() -> None:
    first, end = measures.runs(flags(".xx..x"))
    assert (first.tolist(), end.tolist()) == ([1, 5], [3, 6])
    #                                        labels cover rows 2 and 3, two rows behind are forgiven
    assert measures.false_events(flags("..xxxx.."), flags("..xx...."), 3) == 0
    assert measures.false_events(flags("x......x"), flags("..xx...."), 2) == 2
    assert measures.false_events(flags("x.x....."), flags("......x."), 2) == 1
    # everything flagged is a false event a block of 24 rows
    assert measures.false_events(np.ones(48, bool), np.zeros(48, bool), 2) == 2


def test_event_f1_counts_runs_over_all_series() -> None:
    found = (flags("...x...."), flags("..x....."))
    late = (flags(".....x.."), flags("..x....."))
    assert measures.event_f1([found], 2) == 1.0
    assert measures.event_f1([found, late], 2) == pytest.approx(2 / (2 + 1 + 1))
    assert measures.event_f1([], 2) == 0.0


def test_delay_f1_takes_whole_runs() -> None:
    labels = flags("..xxxx..")
    assert measures.delay_f1([(flags("...x...."), labels)], 1) == 1.0
    assert measures.delay_f1([(flags("....x..."), labels)], 1) == 0.0
    assert measures.delay_f1([(flags("x.x....."), labels)], 1) == pytest.approx(8 / 9)


def test_missing_steps_are_not_flagged() -> None:
    times = np.array([0, 60, 180], np.int64)
    assert measures.on_grid(times, flags("xxx")).tolist() == [True, True, False, True]


def test_volume_of_a_perfect_score_is_near_one_and_of_chance_near_the_share() -> None:
    labels = np.zeros(2_000, bool)
    labels[900:960] = True
    best = measures.vus_pr(labels, labels.astype(float))
    assert 0.85 < best <= 1.0
    chance = measures.vus_pr(labels, np.random.default_rng(1).random(2_000))
    assert chance < 0.2
    assert measures.vus_pr(labels, np.zeros(2_000)) < chance + 0.05


def windowed(rows: int, windows: list[tuple[int, int]]) -> sets.Labelled:
    times = np.arange(rows, dtype=np.int64) * 60_000
    minutes = tuple((first * 60_000, last * 60_000) for first, last in windows)
    none = np.zeros(rows, bool)
    return sets.Labelled(times, np.zeros(rows), none, 0, np.arange(rows), minutes)


def test_nab_is_0_for_nothing_100_for_the_first_row_and_less_for_late_or_false_ones() -> None:
    one = windowed(1_000, [(400, 499), (800, 899)])

    def score(*rows: int, profile: str = "standard") -> float:
        alarms = np.zeros(1_000)
        alarms[list(rows)] = 1.0
        return nab_score([(one, alarms)], profile, threshold=1.0)

    assert score() == 0.0
    assert score(400, 800) == pytest.approx(100.0)
    assert score(400) == pytest.approx(50.0)
    # two windows are worth 4 with what missing them costs; one row on probation costs nothing
    assert score(400, 800, 300) == pytest.approx(100 * (4 - 0.11) / 4)
    assert score(400, 800, 300, profile="low FP") == pytest.approx(100 * (4 - 0.22) / 4)
    assert score(400, 800, 100) == pytest.approx(100.0)
    assert score(450, 850) < score(410, 810) < 100.0
    assert score(499, 899) > 50.0 - 1.0
    ranked = np.zeros(1_000)
    ranked[[400, 800, 300]] = [0.9, 0.8, 0.4]
    assert nab_score([(one, ranked)], "standard") == pytest.approx(100.0)


def folder_of_sets(tmp_path: Path) -> Path:
    generator = np.random.default_rng(3)
    values = generator.normal(10.0, 1.0, 600)
    values[400:410] = 40.0
    labels = np.zeros(600, int)
    labels[400:410] = 1
    stamp = np.datetime64("2026-01-05T00:00:00") + 60 * np.arange(600).astype("timedelta64[s]")
    rows = list(zip(stamp.astype(str), values, labels, strict=True))
    microsoft, kpi, nab = tmp_path / "microsoft/a", tmp_path / "kpi", tmp_path / "nab"
    for folder in (microsoft, kpi, nab / "data/real", nab / "labels"):
        folder.mkdir(parents=True)
    lines = "".join(f'"{at}Z", {value}, {label}\n' for at, value, label in rows)
    (microsoft / "one.csv").write_text("TimeStamp,Value,Label\n" + lines)
    seconds = stamp.astype("datetime64[s]").astype(int)
    numbers = zip(seconds, values, labels, strict=True)
    (kpi / "one.csv").write_text("".join(f"{at},{v},{label}\r\n" for at, v, label in numbers))
    text = "".join(f"{at.replace('T', ' ')},{value}\n" for at, value, _ in rows)
    (nab / "data/real/one.csv").write_text("timestamp,value\n" + text)
    window = [rows[395][0].replace("T", " "), rows[425][0].replace("T", " ")]
    document = json.dumps({"real/one.csv": [window]})
    (nab / "labels/combined_windows.json").write_text(document)
    return tmp_path


def test_the_command_runs_scorers_over_the_sets_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of_sets(tmp_path)
    command = ["bench", "quality", str(folder)]
    assert main([*command, "--json", "--scorer", "default", "--scorer", "mad"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert list(results) == ["default", "mad"]
    of = {(figure["set"], figure["name"]): figure for figure in results["default"]}
    assert of["microsoft", "event F1, delay 2"]["value"] == 1.0
    assert of["microsoft", "VUS-PR"]["value"] > 0.5
    assert of["microsoft", "VUS-PR"]["baseline"] == 0.606
    assert of["kpi", "delay-7 F1, pooled"]["value"] > 0.9
    assert of["nab", "standard, optimised"]["value"] > 80.0
    assert of["nab", "false alarms a series and day"]["value"] == 0.0
    assert main(command) == 0
    assert "expanding MAD" in capsys.readouterr().out


def test_missing_sets_and_scorers_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "quality", str(tmp_path)]) == 3
    assert "none of the folders" in capsys.readouterr().err
    folder = folder_of_sets(tmp_path)
    assert main(["bench", "quality", str(folder), "--scorer", "magic"]) == 2
    assert "double_mad" in capsys.readouterr().err
    (folder / "kpi/bad.csv").write_text("1,2\n")
    assert main(["bench", "quality", str(folder)]) == 3


def test_single_scorers_are_causal_and_named() -> None:
    times = np.arange(2_000, dtype=np.int64) * 60_000_000_000
    values = np.random.default_rng(5).normal(100.0, 5.0, 2_000)
    values[1_500:1_520] = 300.0
    for name in _core.scorer_names():
        whole = _core.score_alone(times, values, name)
        part = _core.score_alone(times[:1_510], values[:1_510], name)
        assert (whole.score[:1_510] == part.score).all(), name
        assert (whole.score >= 0).all() and (whole.score < 1).all(), name
        # the rules of these models flag up to a twentieth of Gaussian noise
        models = ("isolation_forest", "one_class_svm", "lstm_autoencoder")
        usual = 100 if name in models else 5
        assert whole.is_anomaly[:1_500].sum() <= usual, name
        if name not in ("cusum", "record", "silence", "binomial"):
            assert whole.is_anomaly[1_500:1_507].any(), name
    with pytest.raises(ValueError, match="expected mad"):
        _core.score_alone(times, values, "magic")
    with pytest.raises(ValueError, match="give one each"):
        _core.score_alone(times, values[:5], "mad")
    assert mad.score_series(np.arange(3), np.zeros(3)).is_alarm.tolist() == [False] * 3


def test_a_slope_is_per_second_and_one_value_is_none() -> None:
    slope = mad.SlopeScorer(24, direction="up")
    noise = np.random.default_rng(6).normal(size=340)
    second = 1_000_000_000
    for i in range(300):
        assert slope.observe(100.0 + noise[i], at=second * i).score < 0.5
    assert slope.score(1e6, at=second * 300).score < 0.3
    climb = [slope.observe(100.0 + noise[i] + (i - 299), at=second * i) for i in range(300, 324)]
    assert climb[-1].score >= 0.5 and 0.0 < climb[-1].expected_high < 1.0
    with pytest.raises(ValueError, match=r"score\.span. is 3; expected an integer"):
        mad.SlopeScorer(3)
    with pytest.raises(ValueError, match="expected up, down or both"):
        mad.SlopeScorer(direction="sideways")


def test_silence_is_detected_by_ticks() -> None:
    minute = 60_000_000_000
    silence = mad.SilenceScorer()
    for i in range(60):
        silence.learn(1.0, at=minute * i)
    assert np.isnan(mad.SilenceScorer().silence().z)
    silence.tick(62 * minute)
    assert silence.silence().score < 0.5
    silence.tick(66 * minute)
    result = silence.silence()
    assert result.score >= 0.5 and result.expected == 60.0 and result.points == 59
    assert result.expected_high < 7 * 60.0
    # the end of the spike is late by as much, and the learnt part is clipped
    assert silence.observe(1.0, at=66 * minute).score == result.score
    assert silence.score(1.0, at=67 * minute).expected == 60.0
    with pytest.raises(ValueError, match="expected seconds above 0"):
        mad.SilenceScorer(0.0)


def test_a_binomial_tail_is_the_mid_p_of_a_given_share_or_of_a_learnt_one() -> None:
    from math import comb, log10

    n, share = 40, 0.01
    weights = [comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    mid = weights[3] / 2 + sum(weights[4:])
    given = mad.BinomialScorer(share)
    assert given.score(3 / n, n=n).neg_log10_p == pytest.approx(-log10(mid), abs=1e-6)
    assert given.score(0.0, n=n).neg_log10_p == 0.0
    learnt = mad.BinomialScorer(window=60)
    for _ in range(60):
        learnt.learn(share, n=100)
    # a share that is known from the past is trusted less
    assert 0.5 < learnt.score(3 / n, n=n).neg_log10_p / given.score(3 / n, n=n).neg_log10_p < 1.0
    with pytest.raises(ValueError, match="no window"):
        mad.BinomialScorer(0.01, window=60)
    with pytest.raises(ValueError, match=r"score\.share"):
        mad.BinomialScorer(1.0)


def trial(name: str, incidents: int, weeks: float = 1.0, **truth: int) -> sensitivity.Trial:
    return sensitivity.Trial(name, 4, 40_000, 10 * incidents, incidents, weeks, **truth)


def test_the_recommended_sensitivity_is_quiet_or_has_the_best_f1() -> None:
    quiet = [trial("low", 0), trial("medium", 1), trial("high", 9)]
    assert [sensitivity.recommended(quiet, n) for n in (0.5, 1, 20)] == quiet
    noisy = [trial("low", 3), trial("medium", 5), trial("high", 9)]
    assert sensitivity.recommended(noisy) == noisy[0]
    assert sensitivity.recommended([trial("low", 0, 0.1), trial("high", 9, 0.1)]) is None
    labelled = [
        trial("low", 2, 0.1, found=2, missed=2, false=0),
        trial("medium", 4, 0.1, found=4, missed=0, false=0),
        trial("high", 9, 0.1, found=4, missed=0, false=5),
    ]
    assert sensitivity.recommended(labelled) == labelled[1]
    assert labelled[0].f1 == pytest.approx(2 / 3)
    assert (quiet[2].rows_per_week, quiet[2].incidents_per_week) == (22.5, 9.0)


def test_a_recording_is_judged_with_each_sensitivity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(5)
    times = np.datetime64("2026-03-09T00:00:00") + np.arange(2_000) * np.timedelta64(1, "m")
    lines = [f"{at}Z,db,rss,{100 + 5 * draw.standard_t(4):.2f}" for at in times.tolist()]
    path = tmp_path / "metrics.csv"
    path.write_text("timestamp,service,metric,value\n" + "\n".join(lines).replace(" ", "T") + "\n")
    assert main(["bench", "sensitivity", str(path), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    flagged = [one["flagged"] for one in document["trials"]]
    assert flagged[0] <= flagged[1] < flagged[2], flagged
    assert document["recommended"] in sensitivity.SENSITIVITIES
    assert main(["bench", "sensitivity", str(path)]) == 0
    assert "2,000 rows of 1 series, 1.4 days" in capsys.readouterr().out
    truth = tmp_path / "truth.json"
    start, end = "2026-03-09T20:00:00Z", "2026-03-09T21:00:00Z"
    truth.write_text(json.dumps([{"service": "db", "endpoint": "", "start": start, "end": end}]))
    assert main(["bench", "sensitivity", str(path), "--truth", str(truth), "--json"]) == 0
    tried = json.loads(capsys.readouterr().out)["trials"]
    assert all(one["found"] + one["missed"] == 1 for one in tried)
    assert [one["false"] + one["found"] for one in tried] == [one["incidents"] for one in tried]
    path.write_text("timestamp,service,metric,value\n")
    assert main(["bench", "sensitivity", str(path)]) == 3
