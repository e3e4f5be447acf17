//! Who may talk to a port: host names, origins, authorisation.
//!
//! * A page in a browser can be given any name for 127.0.0.1 (DNS rebinding), so requests whose `Host` is neither an IP address
//!   nor one of the allowed names are refused.
//! * Browsers ask before they send JSON across origins (CORS); only allowed origins are told yes. They do not ask before they
//!   open a WebSocket, so a WebSocket with an origin that is neither allowed nor this machine's is refused.
//! * The Engine API's port has a check of its own on top.

use crate::server::{Authorize, PortConfig, text_response};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use jsonrpsee::server::{HttpBody, HttpResponse};
use std::net::IpAddr;

/// See above.
pub(crate) struct Gate {
    virtual_hosts: Vec<String>,
    cors_domains: Vec<String>,
    authorize: Option<Authorize>,
}

/// What becomes of a request.
pub(crate) enum Verdict {
    /// It is answered here.
    Answer(Box<HttpResponse>),
    /// It may pass; the answer gets these headers.
    Pass {
        /// What tells a browser that the origin may read the answer.
        cors: Option<Cors>,
    },
}

/// What tells a browser that an origin may read an answer.
pub(crate) struct Cors(HeaderValue);

impl Cors {
    /// Adds the headers.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

impl Gate {
    /// The gate of a port.
    pub(crate) fn new(port: &PortConfig) -> Self {
        let lowercase = |names: &[String]| names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        Self {
            virtual_hosts: lowercase(&port.virtual_hosts),
            cors_domains: lowercase(&port.cors_domains),
            authorize: port.authorize.clone(),
        }
    }

    /// What becomes of a request.
    pub(crate) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap, is_websocket: bool) -> Verdict {
        let refused = |status, text| Verdict::Answer(Box::new(text_response(status, text)));
        let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text_of(headers, HOST.as_str()));
        if host.is_some_and(|host| !self.allows_host(host)) {
            return refused(StatusCode::FORBIDDEN, "invalid host specified\n");
        }
        let origin = headers.get(ORIGIN);
        let cors = origin.filter(|origin| self.allows_origin(origin)).map(|origin| Cors(origin.clone()));
        if method == Method::OPTIONS && origin.is_some() {
            return Verdict::Answer(Box::new(preflight(headers, cors)));
        }
        if is_websocket && cors.is_none() && origin.is_some_and(|origin| !is_local_origin(origin)) {
            return refused(StatusCode::FORBIDDEN, "origin not allowed\n");
        }
        if let Some(authorize) = &self.authorize
            && let Err(reason) = authorize(headers)
        {
            let mut response = HttpResponse::new(HttpBody::from(reason));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return Verdict::Answer(Box::new(response));
        }
        if method == Method::GET && !is_websocket {
            // What load balancers look whether a node is there with.
            return refused(StatusCode::OK, "");
        }
        Verdict::Pass { cors }
    }

    fn allows_host(&self, host: &str) -> bool {
        let name = name_of(host);
        name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
            || self.virtual_hosts.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(name))
    }

    fn allows_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else { return false };
        self.cors_domains.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // What is not text is no name that could be allowed.
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// `localhost` of `localhost:8545`, `[::1]` of `[::1]:8545`.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

fn is_local_origin(origin: &HeaderValue) -> bool {
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| name_of(host));
    host.is_some_and(|host| {
        host == "localhost"
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    })
}

/// The answer to a browser that asks before it sends.
fn preflight(headers: &HeaderMap, cors: Option<Cors>) -> HttpResponse {
    let Some(cors) = cors else { return text_response(StatusCode::FORBIDDEN, "origin not allowed\n") };
    let mut response = text_response(StatusCode::NO_CONTENT, "");
    let answer = response.headers_mut();
    cors.add_to(answer);
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, OPTIONS"));
    let asked = headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.unwrap_or(HeaderValue::from_static("content-type")));
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(hosts: &[&str], origins: &[&str]) -> Gate {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Gate { virtual_hosts: owned(hosts), cors_domains: owned(origins), authorize: None }
    }

    #[test]
    fn hosts_are_addresses_or_allowed_names() {
        let rows = [
            ("localhost", true),
            ("localhost:8545", true),
            ("LOCALHOST:8545", true),
            ("127.0.0.1:8545", true),
            ("10.0.0.1", true),
            ("[::1]:8545", true),
            ("evil.example", false),
            ("evil.example:8545", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:80", false),
            ("", false),
        ];
        for (host, expected) in rows {
            assert_eq!(gate(&["localhost"], &[]).allows_host(host), expected, "host {host}");
            assert!(gate(&["*"], &[]).allows_host(host), "any host: {host}");
        }
    }

    #[test]
    fn requests_are_judged_by_host_and_origin() {
        // Method, whether it is a WebSocket, host, origin, allowed origins; status if answered here, and the origin told yes.
        let rows = [
            ("POST", false, "localhost", "", "", None, false),
            ("POST", false, "evil.example", "", "", Some(403), false),
            ("POST", false, "localhost", "https://a.example", "", None, false),
            ("POST", false, "localhost", "https://a.example", "https://a.example", None, true),
            ("POST", false, "localhost", "https://a.example", "*", None, true),
            ("OPTIONS", false, "localhost", "https://a.example", "https://a.example", Some(204), true),
            ("OPTIONS", false, "localhost", "https://b.example", "https://a.example", Some(403), false),
            ("GET", false, "localhost", "", "", Some(200), false),
            ("GET", true, "localhost", "", "", None, false),
            ("GET", true, "localhost", "http://localhost:3000", "", None, false),
            ("GET", true, "localhost", "https://evil.example", "", Some(403), false),
            ("GET", true, "localhost", "https://a.example", "https://a.example", None, true),
        ];
        for row @ (method, is_websocket, host, origin, allowed, status, is_allowed) in rows {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if !origin.is_empty() {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let verdict =
                gate(&["localhost"], &[allowed]).judge(&method, &Uri::from_static("/"), &headers, is_websocket);
            let (found, has_cors) = match verdict {
                Verdict::Answer(response) => {
                    (Some(response.status().as_u16()), response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN))
                }
                Verdict::Pass { cors } => (None, cors.is_some()),
            };
            assert_eq!((found, has_cors), (status, is_allowed), "{row:?}");
        }
    }
}
