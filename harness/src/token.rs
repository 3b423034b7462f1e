//! Tokens, good ones and bad ones.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

/// `aud` of a good token (contract, Websocket service, JWT).
pub const AUDIENCE: &str = "huleedu-platform";
/// `iss` of a good token.
pub const ISSUER: &str = "huleedu-identity-service";
/// How long a good token lives, in seconds.
const LIFETIME: i64 = 3600;

/// The claims of a token to be signed: start from [`good`](Claims::good) and spoil them.
#[derive(Clone, Debug)]
pub struct Claims(Map<String, Value>);

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
        let now = jiff::Timestamp::now().as_second();
        self.with("exp", json!(now - seconds))
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
        self.sign_with(Algorithm::HS256, secret)
    }

    /// The token, signed with HS512: right secret, other algorithm.
    pub fn sign_hs512(&self, secret: &str) -> String {
        self.sign_with(Algorithm::HS512, secret)
    }

    fn sign_with(&self, algorithm: Algorithm, secret: &str) -> String {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            &self.0,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
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
