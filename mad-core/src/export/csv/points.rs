//! Judged points of metrics to lines of CSV.

use super::rows::Line;
use crate::guard::JudgedRow;

/// Appends the header of a scored file of metrics.
pub fn write_scored_points_header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"bucket_ts,service,resource,metric,value,z,is_anomaly,severity,score,reason,expected_low,\
expected_high,expected,n,gap_steps,alarm_score,is_alarm\n",
    );
}

/// Appends the lines of a row to a scored file of metrics, one for each signal. The value of a
/// running total is its increase per second. An unknown value is an empty field.
pub fn write_scored_points(judged: &JudgedRow, out: &mut Vec<u8>) {
    for signal in &judged.signals {
        let mut line = Line { out };
        line.key(judged.head.at, &judged.entity);
        line.field(signal.name.as_str());
        line.float(signal.sample.value);
        line.float(signal.score.z);
        line.word(if signal.is_anomaly { "true" } else { "false" });
        line.word(signal.severity.as_str());
        line.float(signal.score.value());
        line.word(signal.reason.as_str());
        for value in [signal.score.low, signal.score.high, signal.score.expected] {
            line.float(value);
        }
        line.integer(signal.sample.n);
        line.integer(u64::from(signal.gap));
        line.float(signal.alarm_score);
        line.word(if signal.is_alarm { "true" } else { "false" });
        line.end();
    }
}
