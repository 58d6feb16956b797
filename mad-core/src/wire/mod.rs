//! Bytes to telemetry and rows to bytes: pure, no files, no sockets.
