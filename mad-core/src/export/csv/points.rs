//! Judged points of metrics to lines of CSV.

use super::rows::Line;
use crate::pipeline::JudgedPoint;

/// Appends the header of a scored file of metrics.
pub fn write_scored_points_header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"bucket_ts,service,resource,metric,value,z,is_anomaly,severity,score,reason,expected_low,\
expected_high,expected,n,gap_steps,alarm_score,is_alarm\n",
    );
}

/// Appends a row of a scored file of metrics. The value of a running total is its increase per
/// second. An unknown value is an empty field.
pub fn write_scored_point(judged: &JudgedPoint, out: &mut Vec<u8>) {
    let JudgedPoint { entity, metric, point, score, verdict, alarm_score, is_alarm } = judged;
    let mut line = Line { out };
    line.key(point.bucket, entity);
    line.field(metric);
    line.float(point.sample.value);
    line.float(score.z);
    line.word(if verdict.is_anomaly { "true" } else { "false" });
    line.word(verdict.severity.as_str());
    line.float(score.value());
    line.word(verdict.reason.as_str());
    for value in [score.low, score.high, score.expected] {
        line.float(value);
    }
    line.integer(point.sample.n);
    line.integer(point.gap);
    line.float(*alarm_score);
    line.word(if *is_alarm { "true" } else { "false" });
    line.end();
}
