//! JSON in and out: parameters, quantities and the objects of the answers.

mod params;

pub(crate) use params::{BlockRef, Fields, FromJson, Loose, ParamError, Params};
