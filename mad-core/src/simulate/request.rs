//! One simulated request and its line in a file.

use std::sync::Arc;

use crate::telemetry::Request;
use crate::time::{SECOND, Timestamp};

/// One simulated request.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatedRequest {
    /// When it was served, to the microsecond.
    pub timestamp: Timestamp,
    /// The service that served it.
    pub service: Arc<str>,
    /// The route.
    pub endpoint: Arc<str>,
    /// HTTP method.
    pub method: &'static str,
    /// 200 or 500.
    pub status_code: u16,
    /// How long it took: milliseconds with three decimals.
    pub latency_ms: f64,
    /// Its trace; written as 16 hexadecimal digits.
    pub trace_id: u64,
    /// Whether it fell into an incident of its endpoint.
    pub is_anomaly: bool,
}

impl SimulatedRequest {
    /// As the pipeline takes it.
    pub fn request(&self) -> Request<'_> {
        Request::new(
            self.timestamp,
            &self.service,
            &self.endpoint,
            i64::from(self.status_code),
            self.latency_ms,
        )
    }

    /// Its trace id as text: 16 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:016x}", self.trace_id)
    }

    /// Appends its line, with the label if asked for; see [`write_csv_header`] for the columns.
    pub fn write_csv(&self, out: &mut Vec<u8>, labels: bool) {
        self.timestamp.floor(SECOND).write_civil(out);
        out.push(b'.');
        push_decimal(out, (self.timestamp.nanos().rem_euclid(SECOND) / 1_000).unsigned_abs(), 6);
        out.extend_from_slice(b"Z,");
        out.extend_from_slice(self.service.as_bytes());
        out.push(b',');
        out.extend_from_slice(self.endpoint.as_bytes());
        out.push(b',');
        out.extend_from_slice(self.method.as_bytes());
        out.push(b',');
        push_decimal(out, u64::from(self.status_code), 1);
        out.push(b',');
        let thousandths = (self.latency_ms * 1e3).round() as u64;
        push_decimal(out, thousandths / 1_000, 1);
        out.push(b'.');
        push_decimal(out, thousandths % 1_000, 3);
        out.push(b',');
        let digits = [60, 56, 52, 48, 44, 40, 36, 32, 28, 24, 20, 16, 12, 8, 4, 0]
            .map(|shift| hex_digit((self.trace_id >> shift) as u8 & 15));
        out.extend_from_slice(&digits);
        if labels {
            out.extend_from_slice(if self.is_anomaly { b",true" } else { b",false" });
        }
        out.push(b'\n');
    }
}

/// Appends the header line: `timestamp,service,endpoint,method,status_code,latency_ms,trace_id` and,
/// if asked for, `is_anomaly` (`true` or `false`). Times are RFC 3339 UTC with microseconds.
pub fn write_csv_header(out: &mut Vec<u8>, labels: bool) {
    out.extend_from_slice(b"timestamp,service,endpoint,method,status_code,latency_ms,trace_id");
    if labels {
        out.extend_from_slice(b",is_anomaly");
    }
    out.push(b'\n');
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// Appends an integer with at least `width` digits.
fn push_decimal(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if rest == 0 && used >= width {
            break;
        }
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
    }
    out.extend(digits.iter().skip(20 - used));
}
