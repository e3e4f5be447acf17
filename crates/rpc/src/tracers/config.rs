//! Which tracer is asked for, and its options.

use super::call::{CallOptions, CallTracer};
use super::flat_call::{FlatCallOptions, FlatCallTracer};
use super::four_byte::FourByteTracer;
use super::mux::MuxTracer;
use super::noop::NoopTracer;
use super::prestate::{PrestateOptions, PrestateTracer};
use super::struct_log::{StructLogOptions, StructLogger};
use super::{Bounds, Collector};
use crate::json::{Fields, FromJson, ParamError};
use crate::{RpcError, RpcLimits};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long one transaction may be traced where the request says nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// Most tracers in a mux.
const MAX_MUXED: usize = 16;

/// Which tracer is asked for, and its options.
#[derive(Clone, Debug, Default)]
pub(crate) struct TraceConfig {
    tracer: Option<String>,
    options: Value,
    struct_log: StructLogOptions,
    timeout: Option<Duration>,
}

impl FromJson for TraceConfig {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        let limit: Option<crate::json::Loose> = fields.optional("limit")?;
        let struct_log = StructLogOptions {
            has_memory: fields.optional("enableMemory")?.unwrap_or(false),
            has_stack: !fields.optional("disableStack")?.unwrap_or(false),
            has_storage: !fields.optional("disableStorage")?.unwrap_or(false),
            has_return_data: fields.optional("enableReturnData")?.unwrap_or(false),
            limit_bytes: limit.and_then(|limit| usize::try_from(limit.0).ok()).filter(|limit| *limit > 0),
        };
        let timeout =
            match fields.optional::<String>("timeout")? {
                None => None,
                Some(text) => Some(parse_duration(&text).ok_or_else(|| {
                    ParamError::new("a duration such as \"5s\"", &Value::String(text)).below(".timeout")
                })?),
            };
        Ok(Self {
            tracer: fields.optional::<String>("tracer")?.filter(|name| !name.is_empty()),
            options: fields.get("tracerConfig").cloned().unwrap_or(Value::Null),
            struct_log,
            timeout,
        })
    }
}

impl TraceConfig {
    /// The tracer.
    pub(crate) fn collector(&self) -> Result<Box<dyn Collector>, RpcError> {
        match &self.tracer {
            None => Ok(Box::new(StructLogger::new(self.struct_log))),
            Some(name) => named_collector(name, &self.options, true),
        }
    }

    /// The bounds of one transaction's trace that has to be done by `deadline`.
    pub(crate) fn bounds(&self, limits: &RpcLimits, deadline: Instant, max_bytes: usize) -> Bounds {
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT).min(limits.call_timeout);
        Bounds { deadline: deadline.min(Instant::now() + timeout), max_bytes }
    }
}

/// The collector with this name.
fn named_collector(name: &str, options: &Value, may_mux: bool) -> Result<Box<dyn Collector>, RpcError> {
    let wrong = |error: ParamError| error.into_rpc("tracerConfig");
    let empty = Value::Object(Default::default());
    let options = if options.is_null() { &empty } else { options };
    Ok(match name {
        "callTracer" => Box::new(CallTracer::new(CallOptions::from_json(options).map_err(wrong)?)),
        "flatCallTracer" => Box::new(FlatCallTracer::new(FlatCallOptions::from_json(options).map_err(wrong)?)),
        "prestateTracer" => Box::new(PrestateTracer::new(PrestateOptions::from_json(options).map_err(wrong)?)?),
        "4byteTracer" => Box::new(FourByteTracer::default()),
        "noopTracer" => Box::new(NoopTracer),
        "muxTracer" if may_mux => {
            let mut tracers = Vec::new();
            for (name, options) in Fields::of(options).map_err(wrong)?.iter() {
                if tracers.len() == MAX_MUXED {
                    return Err(RpcError::invalid_params(
                        "tracerConfig",
                        format!("at most {MAX_MUXED} tracers"),
                        "more",
                    ));
                }
                tracers.push((name.clone(), named_collector(name, options, false)?));
            }
            Box::new(MuxTracer::new(tracers))
        }
        _ => {
            let known = "callTracer, flatCallTracer, prestateTracer, 4byteTracer, noopTracer or muxTracer";
            return Err(RpcError::server(format!("tracer: expected {known}, found {:?}", &name[..name.len().min(64)])));
        }
    })
}

/// Go's notation: numbers with units, such as `1m30s` or `500ms`.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, remaining) = after.split_at(unit_len);
        let unit_seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok()? * unit_seconds;
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = remaining;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let rows = [
            ("5s", Some(5_000)),
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1.5h", Some(5_400_000)),
            ("", None),
            ("5", None),
            ("s", None),
            ("5 s", None),
            ("1e9s", None),
        ];
        for (text, expected) in rows {
            assert_eq!(parse_duration(text).map(|found| found.as_millis()), expected, "{text:?}");
        }
    }
}
