//! Tests of the pool, on a chain that exists only as headers and a map of accounts.

mod blobs;
mod following;
mod limits;
mod properties;
mod rules;
mod support;
