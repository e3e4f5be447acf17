//! The secret that a consensus client shares with the node, and the tokens that show it knows the secret.
//!
//! A token is three pieces of unpadded base64url with dots between them: a header that names the algorithm, claims, and the
//! HMAC-SHA-256 of the first two under the secret. Only HS256 is taken, so a token can't choose a weaker algorithm, and the
//! comparison of MACs takes the same time wherever they differ. The one claim that must be there is `iat`, the time of issue,
//! within a minute of now; that is the protection against replay that the specification asks for. Tokens are short, so a long
//! one is refused before anything is computed.

use alloy_primitives::hex;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of the secret.
const SECRET_BYTES: usize = 32;
/// Longest file of a secret: the digits, a prefix, and room for white space.
const MAX_SECRET_FILE_BYTES: u64 = 1_024;
/// Longest token, in characters.
const MAX_TOKEN_CHARACTERS: usize = 4_096;
/// How far from now a token may have been issued.
const MAX_AGE_SECONDS: u64 = 60;

/// The secret.
#[derive(Clone, PartialEq, Eq)]
pub struct JwtSecret([u8; SECRET_BYTES]);

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret(...)")
    }
}

/// Why there is no secret.
#[derive(Debug)]
pub enum JwtSecretError {
    /// The file can't be read or made.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// What the file holds is no secret.
    Form {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness.
    Random(String),
}

impl fmt::Display for JwtSecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(f, "JWT secret {}: {error}", path.display()),
            Self::Form { path } => {
                write!(
                    f,
                    "JWT secret {}: expected {} hexadecimal digits, found others",
                    path.display(),
                    2 * SECRET_BYTES
                )
            }
            Self::Random(error) => write!(f, "JWT secret: expected random bytes from the system, found {error}"),
        }
    }
}

impl std::error::Error for JwtSecretError {}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// There is none.
    Missing,
    /// It is no token, or for another algorithm.
    Form(&'static str),
    /// It was not made with the secret.
    Signature,
    /// It was issued too long ago, or in the future, or has expired. Unix times in seconds.
    Time {
        /// The claim.
        claim: &'static str,
        /// The claim's time.
        found: u64,
        /// The time now.
        now: u64,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing token: expected a header \"Authorization: Bearer TOKEN\""),
            Self::Form(expected) => write!(f, "malformed token: expected {expected}"),
            Self::Signature => f.write_str("wrong token: expected one that was signed with the node's JWT secret"),
            Self::Time { claim: "exp", found, now } => write!(f, "stale token: it expired at {found}, now is {now}"),
            Self::Time { claim, found, now } => write!(
                f,
                "stale token: expected {claim} within {MAX_AGE_SECONDS} seconds of now, which is {now}, found {found}"
            ),
        }
    }
}

impl std::error::Error for TokenError {}

impl JwtSecret {
    /// A secret that the caller has.
    pub fn new(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// A secret that nobody knows.
    pub fn random() -> Result<Self, JwtSecretError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| JwtSecretError::Random(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The secret in a file; where there is no file, a new one is made that only its owner can read.
    pub fn load_or_create(path: &Path) -> Result<Self, JwtSecretError> {
        let failed = |error| JwtSecretError::File { path: path.to_path_buf(), error };
        match fs::metadata(path) {
            Ok(metadata) if metadata.len() > MAX_SECRET_FILE_BYTES => {
                Err(JwtSecretError::Form { path: path.to_path_buf() })
            }
            Ok(_) => {
                let text = fs::read(path).map_err(failed)?;
                Self::from_hex(&text).ok_or_else(|| JwtSecretError::Form { path: path.to_path_buf() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = Self::random()?;
                secret.write(path).map_err(failed)?;
                Ok(secret)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Hexadecimal digits, with or without `0x`, with white space around them.
    fn from_hex(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let digits = text.strip_prefix(b"0x").unwrap_or(text);
        let mut bytes = [0; SECRET_BYTES];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        file.write_all(hex::encode(self.0).as_bytes())?;
        file.sync_all()
    }

    fn mac(&self, signed: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("32 bytes are a key"));
        mac.update(signed);
        mac
    }

    /// A token issued at this time (Unix, seconds).
    pub fn token(&self, issued_at_seconds: u64) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = URL_SAFE_NO_PAD.encode(format!(r#"{{"iat":{issued_at_seconds}}}"#));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.mac(signed.as_bytes()).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// Checks an `Authorization` header at this time (Unix, seconds).
    pub fn check_header(&self, authorization: Option<&[u8]>, now_seconds: u64) -> Result<(), TokenError> {
        let header = authorization.ok_or(TokenError::Missing)?;
        let text = std::str::from_utf8(header).map_err(|_| TokenError::Form("text"))?;
        match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self.check(token.trim(), now_seconds),
            _ => Err(TokenError::Missing),
        }
    }

    /// Checks a token at this time (Unix, seconds).
    pub fn check(&self, token: &str, now_seconds: u64) -> Result<(), TokenError> {
        const PIECES: TokenError = TokenError::Form("three pieces of base64url with dots between them");
        if token.len() > MAX_TOKEN_CHARACTERS {
            return Err(TokenError::Form("at most 4096 characters"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(PIECES)?;
        let (header, claims) = signed.split_once('.').ok_or(PIECES)?;
        let decode = |piece: &str| URL_SAFE_NO_PAD.decode(piece).map_err(|_| PIECES);
        let object = |piece: &str| serde_json::from_slice::<Value>(&decode(piece)?).map_err(|_| PIECES);
        if object(header)?.get("alg").and_then(Value::as_str) != Some("HS256") {
            return Err(TokenError::Form("the algorithm HS256"));
        }
        self.mac(signed.as_bytes()).verify_slice(&decode(signature)?).map_err(|_| TokenError::Signature)?;
        check_claims(&object(claims)?, now_seconds)
    }
}

fn check_claims(claims: &Value, now: u64) -> Result<(), TokenError> {
    let issued = claims.get("iat").and_then(seconds).ok_or(TokenError::Form("the claim iat, in seconds"))?;
    if issued.abs_diff(now) > MAX_AGE_SECONDS {
        return Err(TokenError::Time { claim: "iat", found: issued, now });
    }
    match claims.get("exp") {
        None => Ok(()),
        Some(expiry) => {
            let found = seconds(expiry).ok_or(TokenError::Form("the claim exp in seconds"))?;
            if found < now { Err(TokenError::Time { claim: "exp", found, now }) } else { Ok(()) }
        }
    }
}

/// A time of a claim, which JSON may write with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|time| (0.0..1e15).contains(time)).map(|time| time as u64))
}

/// The time now, Unix, seconds.
pub(crate) fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn secret() -> JwtSecret {
        JwtSecret::new([7; SECRET_BYTES])
    }

    /// A token with this header and these claims under `secret`.
    fn token(secret: &JwtSecret, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(secret.mac(signed.as_bytes()).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    #[test]
    fn only_fresh_tokens_of_the_secret_pass() {
        const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;
        let issued = |at: u64| token(&secret(), HEADER, &format!("{{\"iat\":{at}}}"));
        let none = {
            let (signed, _) = token(&secret(), r#"{"alg":"none"}"#, "{\"iat\":1700000000}")
                .rsplit_once('.')
                .map(|(a, b)| (a.to_string(), b.to_string()))
                .expect("two dots");
            format!("{signed}.")
        };
        let rows = [
            ("now", issued(NOW), ""),
            ("a minute ago", issued(NOW - 60), ""),
            ("in a minute", issued(NOW + 60), ""),
            ("other claims", token(&secret(), HEADER, "{\"iat\":1700000000,\"id\":\"x\",\"clv\":\"y\"}"), ""),
            ("fraction", token(&secret(), HEADER, "{\"iat\":1700000000.5}"), ""),
            ("stale", issued(NOW - 61), "stale token"),
            ("future", issued(NOW + 61), "stale token"),
            ("expired", token(&secret(), HEADER, "{\"iat\":1700000000,\"exp\":1699999999}"), "stale token: it expired"),
            ("no iat", token(&secret(), HEADER, "{}"), "malformed token: expected the claim iat"),
            ("other secret", token(&JwtSecret::new([8; 32]), HEADER, "{\"iat\":1700000000}"), "wrong token"),
            ("other algorithm", token(&secret(), r#"{"alg":"HS512"}"#, "{\"iat\":1700000000}"), "malformed token"),
            ("no algorithm", none, "malformed token: expected the algorithm HS256"),
            ("no token", "x".to_string(), "malformed token: expected three pieces"),
            ("long", "x".repeat(5_000), "malformed token: expected at most"),
        ];
        for (name, token, expected) in rows {
            let header = format!("Bearer {token}");
            let found = secret().check_header(Some(header.as_bytes()), NOW);
            match expected {
                "" => assert_eq!(found, Ok(()), "{name}"),
                expected => {
                    let text = found.expect_err(name).to_string();
                    assert!(text.starts_with(expected), "{name}: {text}");
                }
            }
        }
        assert_eq!(secret().check_header(None, NOW), Err(TokenError::Missing));
        assert_eq!(secret().check_header(Some(b"Basic abc"), NOW), Err(TokenError::Missing));
        assert_eq!(secret().check(&secret().token(NOW), NOW), Ok(()));
    }

    #[test]
    fn a_token_of_another_implementation_passes() {
        // Made with the example secret of RFC 7515's HS256 section shortened to 32 bytes would prove nothing new; this one
        // is HMAC-SHA-256 as `openssl dgst -sha256 -mac HMAC` computes it.
        let secret = JwtSecret::new([0x11; SECRET_BYTES]);
        let token =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDB9.Hb09lNHg9IiC1UttHzXRW1voUqjM97m4oEuKWkSux5g";
        assert_eq!(secret.check(token, NOW), Ok(()));
    }

    #[test]
    fn a_secret_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("deeper/jwt.hex");
        let made = JwtSecret::load_or_create(&path).expect("a new secret");
        assert_eq!(JwtSecret::load_or_create(&path).expect("the same secret"), made);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
        }
        let digits = "ab".repeat(32);
        let rows = [
            ("prefix and newline", format!("0x{digits}\n"), true),
            ("upper case", digits.to_uppercase(), true),
            ("short", digits[2..].to_string(), false),
            ("long", format!("{digits}00"), false),
            ("no digits", "zz".repeat(32), false),
            ("empty", String::new(), false),
            ("huge", "a".repeat(2_000), false),
        ];
        for (name, text, expected) in rows {
            fs::write(&path, text).expect("writing");
            assert_eq!(JwtSecret::load_or_create(&path).is_ok(), expected, "{name}");
        }
    }
}
