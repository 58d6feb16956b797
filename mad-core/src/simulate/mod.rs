//! Seeded generators of telemetry with known incidents.
