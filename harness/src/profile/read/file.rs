//! The file as it is written: its sections, their keys, and what is said by a key that is missing.

use std::collections::BTreeMap;
use std::num::{NonZeroU8, NonZeroU16};

use serde::Deserialize;

use super::super::{Lack, Speaks, StandInPorts, TokenIn};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub redis: Option<Redis>,
    pub websocket: Option<Websocket>,
    pub gateway: Option<Gateway>,
    pub standins: Option<StandInPorts>,
    pub token: Token,
    #[serde(default)]
    pub backplane: Backplane,
    pub ca_file: Option<String>,
    #[serde(default)]
    pub lacks: Vec<Lack>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    pub url: Option<String>,
    pub command: Option<Vec<String>>,
    pub image: Option<String>,
    pub port: Option<NonZeroU16>,
    pub arguments: Option<Vec<String>>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Websocket {
    pub url: Option<String>,
    pub command: Option<Vec<String>>,
    pub image: Option<String>,
    pub port: Option<NonZeroU16>,
    pub arguments: Option<Vec<String>>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default = "healthz")]
    pub ready: String,
    pub replicas: Option<NonZeroU8>,
    #[serde(default = "ws")]
    pub path: String,
    #[serde(default)]
    pub token_in: TokenIn,
    pub subscribe: Option<Subscribe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {
    pub send: String,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub url: Option<String>,
    pub command: Option<Vec<String>>,
    pub image: Option<String>,
    pub port: Option<NonZeroU16>,
    pub arguments: Option<Vec<String>>,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default = "healthz")]
    pub ready: String,
    pub replicas: Option<NonZeroU8>,
    #[serde(default = "ws_v1_status")]
    pub legacy_path: String,
    pub error: Option<GatewayError>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayError {
    pub code: String,
    pub message: Option<String>,
    pub correlation_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub issuer: String,
    pub audience: String,
    #[serde(default = "hs256")]
    pub algorithm: String,
    pub secret: Option<String>,
    pub key_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backplane {
    #[serde(default = "ws_user_id")]
    pub channel: String,
    pub publish: Option<Vec<String>>,
    #[serde(default)]
    pub sharded: bool,
    #[serde(default)]
    pub speaks: Vec<Speaks>,
}

impl Default for Backplane {
    fn default() -> Self {
        Self {
            channel: ws_user_id(),
            publish: None,
            sharded: false,
            speaks: Vec::new(),
        }
    }
}

fn ws_user_id() -> String {
    "ws:{user_id}".to_owned()
}

fn healthz() -> String {
    "/healthz".to_owned()
}

pub fn ws() -> String {
    "/ws".to_owned()
}

pub fn ws_v1_status() -> String {
    "/ws/v1/status/{client_id}".to_owned()
}

fn hs256() -> String {
    "HS256".to_owned()
}
