//! The real server killed.
