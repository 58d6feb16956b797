//! The two files of the reference system.

use std::io::Write;

use super::detect::ReferenceReport;
use super::row::ReferenceRow;
use crate::export::push_field;

impl ReferenceReport {
    /// Appends `features_1min.csv`: bucket, names, counts, mean, p95, error rate. Times have no zone
    /// (`2026-01-06T10:45:00`, in UTC), numbers the shortest digits that identify them.
    pub fn write_features_csv(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"bucket_ts,service,endpoint,req_count,error_count,avg_latency_ms,p95_latency_ms,\
              error_rate\n",
        );
        for row in &self.rows {
            names(row, out);
            append(
                out,
                format_args!(
                    "{},{},{:?},{:?},{:?}\n",
                    row.req_count,
                    row.error_count,
                    row.avg_latency_ms,
                    row.p95_latency_ms,
                    row.error_rate,
                ),
            );
        }
    }

    /// Appends `scored_1min.csv`: bucket, names, counts, error rate, mean, p95, z, `True` or `False`,
    /// severity.
    pub fn write_scored_csv(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"bucket_ts,service,endpoint,req_count,error_count,error_rate,avg_latency_ms,\
              p95_latency_ms,mad_z,is_anomaly,severity\n",
        );
        for row in &self.rows {
            names(row, out);
            append(
                out,
                format_args!(
                    "{},{},{:?},{:?},{:?},{:?},{},{}\n",
                    row.req_count,
                    row.error_count,
                    row.error_rate,
                    row.avg_latency_ms,
                    row.p95_latency_ms,
                    row.mad_z,
                    if row.is_anomaly { "True" } else { "False" },
                    row.severity,
                ),
            );
        }
    }
}

/// Bucket, service and endpoint, each with its comma.
fn names(row: &ReferenceRow, out: &mut Vec<u8>) {
    row.bucket.write_civil(out);
    out.push(b',');
    for name in [&row.service, &row.endpoint] {
        push_field(out, name);
        out.push(b',');
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // writing to a vector cannot fail
    let _ = out.write_fmt(text);
}
