//! Fixture vendor.
