//! Tokens, good ones and bad ones.
//!
//! - `bad`: every way in which one is bad

pub mod bad;

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, errors};
use serde_json::{Map, Value, json};

/// `aud` of a good token (contract, Websocket service, JWT).
pub const AUDIENCE: &str = "huleedu-platform";
/// `iss` of a good token.
pub const ISSUER: &str = "huleedu-identity-service";
/// What to do about a service that refuses a good token.
pub(crate) const ADVICE: &str = "check that it has the secret or key, the issuer, the audience and the algorithm of [token] in the profile";
/// How long a good token lives, in seconds.
const LIFETIME: i64 = 3600;

/// What signs tokens.
#[derive(Clone)]
pub enum Key {
    /// The secret of an HS algorithm.
    Secret(String),
    /// The private key of an RS or ES algorithm, as PEM.
    Pem(String),
}

/// Who signs a system's tokens: what its services take for good.
#[derive(Clone)]
pub struct Issuer {
    /// `iss`.
    pub name: String,
    /// `aud`.
    pub audience: String,
    /// The algorithm.
    pub algorithm: Algorithm,
    /// The key.
    pub key: Key,
}

/// The claims of a token to be signed: start from [`good`](Claims::good) and spoil them.
#[derive(Clone, Debug)]
pub struct Claims(Map<String, Value>);

impl Key {
    /// What jsonwebtoken signs with.
    pub(crate) fn encoding(&self, algorithm: Algorithm) -> errors::Result<EncodingKey> {
        match (self, algorithm) {
            (Self::Secret(secret), _) => Ok(EncodingKey::from_secret(secret.as_bytes())),
            (Self::Pem(pem), Algorithm::ES256) => EncodingKey::from_ec_pem(pem.as_bytes()),
            (Self::Pem(pem), _) => EncodingKey::from_rsa_pem(pem.as_bytes()),
        }
    }
}

/// A key is not for printing.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Issuer {
    /// Claims that the system's services must accept for `user_id`.
    pub fn claims(&self, user_id: &str) -> Claims {
        Claims::good(user_id)
            .with("iss", json!(self.name))
            .with("aud", json!(self.audience))
    }

    /// The token with these claims, signed as a good one is.
    pub fn sign(&self, claims: &Claims) -> String {
        let key = self.key.encoding(self.algorithm);
        let key = key.unwrap_or_else(|error| panic!("a profile's key is checked: {error}"));
        claims.sign_with(self.algorithm, &key)
    }

    /// The same with a signature that is not the issuer's: another secret's, or that of other claims.
    pub fn forge(&self, claims: &Claims) -> String {
        if let Key::Secret(_) = self.key {
            return claims.sign_with(self.algorithm, &EncodingKey::from_secret(b"another secret"));
        }
        let others = self.sign(&claims.clone().with("sub", json!("somebody else")));
        let (signed, _) = halves(&self.sign(claims));
        format!("{signed}.{}", halves(&others).1)
    }

    /// The same signed with an algorithm that the system does not use, with what an attacker might have for its key.
    pub fn sign_otherwise(&self, claims: &Claims) -> String {
        let (Key::Secret(key) | Key::Pem(key)) = &self.key;
        let other = match self.algorithm {
            Algorithm::HS256 => Algorithm::HS512,
            _ => Algorithm::HS256,
        };
        claims.sign_with(other, &EncodingKey::from_secret(key.as_bytes()))
    }

    /// The secret; none where there are keys.
    pub fn secret(&self) -> Option<&str> {
        match &self.key {
            Key::Secret(secret) => Some(secret),
            Key::Pem(_) => None,
        }
    }
}

/// What of a token is signed, and the signature.
fn halves(token: &str) -> (String, String) {
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    (signed.to_owned(), signature.to_owned())
}

impl Claims {
    /// Claims that every service must accept for `user_id`.
    pub fn good(user_id: &str) -> Self {
        let now = jiff::Timestamp::now().as_second();
        let claims = [
            ("sub", json!(user_id)),
            ("exp", json!(now + LIFETIME)),
            ("iat", json!(now)),
            ("aud", json!(AUDIENCE)),
            ("iss", json!(ISSUER)),
        ];
        Self(
            claims
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
        )
    }

    /// The same claims with another value for `name`.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name.to_owned(), value);
        self
    }

    /// The same claims without `name`.
    pub fn without(mut self, name: &str) -> Self {
        self.0.shift_remove(name);
        self
    }

    /// The same claims with an `exp` an hour ago.
    pub fn expired(self) -> Self {
        self.expired_for(LIFETIME)
    }

    /// The same claims with an `exp` this many seconds ago.
    pub fn expired_for(self, seconds: i64) -> Self {
        self.with_time("exp", -seconds)
    }

    /// The same claims with the time in so many seconds for `name`.
    pub fn with_time(self, name: &str, seconds: i64) -> Self {
        let now = jiff::Timestamp::now().as_second();
        self.with(name, json!(now + seconds))
    }

    /// The same claims with an `exp` in so many seconds.
    pub fn expiring_in(self, seconds: i64) -> Self {
        self.expired_for(-seconds)
    }

    /// Whether `exp` has passed by this machine's clock.
    pub fn has_expired(&self) -> bool {
        let now = jiff::Timestamp::now().as_second();
        self.0["exp"].as_i64().is_some_and(|exp| exp <= now)
    }

    /// The token, signed with HS256.
    pub fn sign(&self, secret: &str) -> String {
        self.sign_with(
            Algorithm::HS256,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
    }

    fn sign_with(&self, algorithm: Algorithm, key: &EncodingKey) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), &self.0, key)
            .unwrap_or_else(|error| panic!("a JSON object can be signed: {error}"))
    }

    /// The token with `alg: none` and no signature (RFC 7519, section 6).
    pub fn unsigned(&self) -> String {
        // Header and claims are taken from a signed token, so that the encoding has one source.
        let signed = self.sign("unused");
        let claims = signed.split('.').nth(1).unwrap_or_default();
        // {"alg":"none","typ":"JWT"}
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
    }
}
