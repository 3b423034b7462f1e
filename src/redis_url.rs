//! Where Redis is, as a URL says it: one server, one behind sentinels, or a cluster.
//!
//! - `redis://[[user]:password@]host[:port][/database]`
//! - `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/service[/database]`, with `?sentinel_username=…` and
//!   `&sentinel_password=…` where the sentinels have an ACL of their own; user, password and database are those of the
//!   service's master
//! - `redis+cluster://[[user]:password@]host[:port][,host[:port]…]`: any of the nodes; they know the others

use std::fmt;

use redis::{ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// Where Redis is. Shown without passwords.
#[derive(Clone)]
pub enum RedisUrl {
    /// One server.
    One(ConnectionInfo),
    /// The master of a service that sentinels watch over.
    Sentinel(SentinelUrl),
    /// A cluster, by some of its nodes, as whom to go to all of them.
    Cluster(Vec<ConnectionInfo>),
}

/// A service that sentinels watch over.
#[derive(Clone)]
pub struct SentinelUrl {
    /// Where the sentinels are, as whom to go there.
    pub sentinels: Vec<ConnectionInfo>,
    /// What they call the service.
    pub service: String,
    /// As whom, and for which database, to go to its master.
    pub master: RedisConnectionInfo,
}

/// Where sentinels listen that nobody told otherwise.
const SENTINEL_PORT: u16 = 26_379;
const REDIS_PORT: u16 = 6379;

const SENTINELS: &str =
    "redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/service[/database]";
const CLUSTER: &str = "redis+cluster://[[user]:password@]host[:port][,host[:port]…]";

impl RedisUrl {
    /// Reads a URL; the error says what is expected instead.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        if let Some(rest) = url.strip_prefix("redis+sentinel://") {
            return sentinels(rest).map(Self::Sentinel).ok_or(SENTINELS);
        }
        if let Some(rest) = url.strip_prefix("redis+cluster://") {
            return cluster(rest).map(Self::Cluster).ok_or(CLUSTER);
        }
        if url.starts_with("rediss") {
            return Err("a redis:// URL: TLS is not supported");
        }
        one(url).map(Self::One).ok_or(
            "redis://[[user]:password@]host[:port][/database], or redis+sentinel:// or redis+cluster:// with several hosts",
        )
    }
}

fn one(url: &str) -> Option<ConnectionInfo> {
    let info = url.into_connection_info().ok()?;
    let is_tcp = matches!(info.addr(), redis::ConnectionAddr::Tcp(..));
    is_tcp.then_some(info)
}

fn sentinels(rest: &str) -> Option<SentinelUrl> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/')?;
    let (service, database) = path.split_once('/').unwrap_or((path, "0"));
    let (login, hosts) = logged_in(authority);
    if service.is_empty() {
        return None;
    }
    // As whom to go to the sentinels, in the form that it has in a URL.
    let (mut user, mut password) = ("", "");
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=')? {
            ("sentinel_username", value) => user = value,
            ("sentinel_password", value) => password = value,
            _ => return None,
        }
    }
    let sentinel_login = match password {
        "" => String::new(),
        _ => format!("{user}:{password}@"),
    };
    let master = one(&format!("redis://{login}master/{database}"))?;
    Some(SentinelUrl {
        sentinels: servers(&sentinel_login, hosts, SENTINEL_PORT)?,
        service: service.to_owned(),
        master: master.redis_settings().clone(),
    })
}

fn cluster(rest: &str) -> Option<Vec<ConnectionInfo>> {
    let (login, hosts) = logged_in(rest.strip_suffix('/').unwrap_or(rest));
    servers(login, hosts, REDIS_PORT)
}

/// What is before the hosts, `@` included, and the hosts.
fn logged_in(authority: &str) -> (&str, &str) {
    match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    }
}

fn servers(login: &str, hosts: &str, port: u16) -> Option<Vec<ConnectionInfo>> {
    let server = |host: &str| {
        if host.contains('/') {
            return None; // a cluster has one database, and sentinels have none
        }
        let has_port = host.rsplit(']').next()?.contains(':');
        match has_port {
            true => one(&format!("redis://{login}{host}")),
            false => one(&format!("redis://{login}{host}:{port}")),
        }
    };
    hosts.split(',').map(server).collect()
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(info) => {
                let (login, database) = (masked(info.redis_settings()), info.redis_settings().db());
                write!(formatter, "redis://{login}{}/{database}", info.addr())
            }
            Self::Sentinel(url) => {
                let (login, hosts) = (masked(&url.master), hosts(&url.sentinels));
                let (service, database) = (&url.service, url.master.db());
                write!(
                    formatter,
                    "redis+sentinel://{login}{hosts}/{service}/{database}"
                )
            }
            Self::Cluster(nodes) => {
                let login = nodes
                    .first()
                    .map_or("", |node| masked(node.redis_settings()));
                write!(formatter, "redis+cluster://{login}{}", hosts(nodes))
            }
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

fn masked(settings: &RedisConnectionInfo) -> &'static str {
    match (settings.username(), settings.password()) {
        (None, None) => "",
        _ => "***@",
    }
}

fn hosts(servers: &[ConnectionInfo]) -> String {
    let hosts: Vec<_> = servers.iter().map(|info| info.addr().to_string()).collect();
    hosts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("redis://redis", "redis://redis:6379/0")]
    #[case::port_and_database("redis://redis:7000/3", "redis://redis:7000/3")]
    #[case::password("redis://:secret@redis", "redis://***@redis:6379/0")]
    #[case::user("redis://me:secret@redis", "redis://***@redis:6379/0")]
    #[case::sentinel(
        "redis+sentinel://a,b:7000/mymaster",
        "redis+sentinel://a:26379,b:7000/mymaster/0"
    )]
    #[case::sentinel_with_logins(
        "redis+sentinel://:secret@a,[::1]:7000/mymaster/2?sentinel_username=me&sentinel_password=secret",
        "redis+sentinel://***@a:26379,::1:7000/mymaster/2"
    )]
    #[case::cluster("redis+cluster://a,b:7000", "redis+cluster://a:6379,b:7000")]
    #[case::cluster_with_login("redis+cluster://me:secret@a/", "redis+cluster://***@a:6379")]
    fn a_url_is_shown_without_credentials(#[case] url: &str, #[case] shown: &str) {
        let url = RedisUrl::parse(url).unwrap();
        assert_eq!(url.to_string(), shown);
        assert_eq!(format!("{url:?}"), shown);
    }

    #[rstest]
    #[case::tls("rediss://redis", "TLS")]
    #[case::other("http://redis", "redis://")]
    #[case::no_host("redis://", "redis://")]
    #[case::socket("redis+unix:///run/redis.sock", "redis://")]
    #[case::database("redis://redis/one", "redis://")]
    #[case::no_service("redis+sentinel://a,b", "/service")]
    #[case::empty_service("redis+sentinel://a,b/", "/service")]
    #[case::no_sentinel("redis+sentinel:///mymaster", "/service")]
    #[case::unknown_parameter("redis+sentinel://a/mymaster?timeout=1", "/service")]
    #[case::database_of_a_cluster("redis+cluster://a,b/1", "redis+cluster://")]
    #[case::half_a_list("redis+cluster://a,,b", "redis+cluster://")]
    fn another_url_is_refused_with_what_is_expected(#[case] url: &str, #[case] expected: &str) {
        let error = RedisUrl::parse(url).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn each_server_is_told_its_own_credentials() {
        let url = "redis+sentinel://me:s%40crit@a,b/mymaster/2?sentinel_password=hush";
        let RedisUrl::Sentinel(url) = RedisUrl::parse(url).unwrap() else {
            panic!("sentinels");
        };
        let settings = &url.master;
        assert_eq!(settings.username(), Some("me"));
        assert_eq!((settings.password(), settings.db()), (Some("s@crit"), 2));
        for sentinel in &url.sentinels {
            let settings = sentinel.redis_settings();
            assert_eq!(
                (settings.username(), settings.password()),
                (None, Some("hush"))
            );
        }
    }
}
