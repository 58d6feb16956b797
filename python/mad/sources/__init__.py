"""Sources of telemetry: files, plain or compressed."""
