//! The URL of a Redis that is more than one server.

/// Redis as more than one server, as a client finds it: by URLs of one server each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    /// Some nodes of a cluster: `redis+cluster://[[user]:password@]host[:port],…`.
    Cluster(Vec<String>),
    /// Sentinels: `redis+sentinel://[[user]:password@]host[:port],…/service[/database]`, with
    /// `?sentinel_username=…&sentinel_password=…` where they want to know who asks.
    Sentinel {
        /// Whom to ask.
        sentinels: Vec<String>,
        /// For the master of what.
        service: String,
        /// What a URL of the master has before its host, and after its port.
        around: (String, String),
    },
}

const CLUSTER: &str = "redis+cluster://host:6379,host:6379";
const SENTINEL: &str = "redis+sentinel://host:26379,host:26379/service";

impl Servers {
    /// What `url` says; nothing of one that leads to one server. The error is an example of a good one.
    pub fn of_url(url: &str) -> Option<Result<Self, &'static str>> {
        if let Some(rest) = url.strip_prefix("redis+cluster://") {
            return Some(cluster(rest).ok_or(CLUSTER));
        }
        let rest = url.strip_prefix("redis+sentinel://")?;
        Some(sentinels(rest).ok_or(SENTINEL))
    }

    /// The URL of a server to begin with.
    pub fn first(&self) -> &str {
        match self {
            Self::Cluster(nodes) => &nodes[0],
            Self::Sentinel { sentinels, .. } => &sentinels[0],
        }
    }
}

fn cluster(rest: &str) -> Option<Servers> {
    let (login, hosts) = logged_in(rest.strip_suffix('/').unwrap_or(rest));
    Some(Servers::Cluster(urls(login, hosts, 6379)?))
}

fn sentinels(rest: &str) -> Option<Servers> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/')?;
    let (service, database) = path.split_once('/').unwrap_or((path, "0"));
    let (login, hosts) = logged_in(authority);
    let (mut user, mut password) = ("", "");
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=')? {
            ("sentinel_username", value) => user = value,
            ("sentinel_password", value) => password = value,
            _ => return None,
        }
    }
    let of_sentinels = match password {
        "" => String::new(),
        _ => format!("{user}:{password}@"),
    };
    let is_number = database.parse::<u32>().is_ok();
    (is_number && !service.is_empty()).then_some(Servers::Sentinel {
        sentinels: urls(&of_sentinels, hosts, 26_379)?,
        service: service.to_owned(),
        around: (login.to_owned(), format!("/{database}")),
    })
}

/// What is before the hosts, `@` included, and the hosts.
fn logged_in(authority: &str) -> (&str, &str) {
    match authority.rfind('@') {
        Some(at) => authority.split_at(at + 1),
        None => ("", authority),
    }
}

fn urls(login: &str, hosts: &str, port: u16) -> Option<Vec<String>> {
    let url = |host: &str| {
        let has_port = host.rsplit(']').next()?.contains(':');
        let url = match has_port {
            true => format!("redis://{login}{host}"),
            false => format!("redis://{login}{host}:{port}"),
        };
        let parsed = reqwest::Url::parse(&url).ok()?;
        let is_server = parsed.has_host() && matches!(parsed.path(), "" | "/");
        is_server.then_some(url)
    };
    hosts.split(',').map(url).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_url_names_every_server_with_who_goes_there() {
        let cluster = Servers::of_url("redis+cluster://:hush@a,b:7000/");
        let nodes = ["redis://:hush@a:6379", "redis://:hush@b:7000"].map(str::to_owned);
        assert_eq!(cluster, Some(Ok(Servers::Cluster(nodes.into()))));
        let url = "redis+sentinel://me:hush@a,[::1]:7000/mymaster/2?sentinel_password=other";
        let sentinels = ["redis://:other@a:26379", "redis://:other@[::1]:7000"];
        let expected = Servers::Sentinel {
            sentinels: sentinels.map(str::to_owned).into(),
            service: "mymaster".to_owned(),
            around: ("me:hush@".to_owned(), "/2".to_owned()),
        };
        assert_eq!(Servers::of_url(url), Some(Ok(expected)));
        assert_eq!(Servers::of_url("redis://h"), None);
    }

    #[rstest]
    #[case::no_host("redis+cluster://", CLUSTER)]
    #[case::half_a_list("redis+cluster://a,,b", CLUSTER)]
    #[case::database_of_a_cluster("redis+cluster://a/1", CLUSTER)]
    #[case::no_service("redis+sentinel://a,b", SENTINEL)]
    #[case::no_database("redis+sentinel://a/mymaster/x", SENTINEL)]
    #[case::unknown_parameter("redis+sentinel://a/mymaster?password=x", SENTINEL)]
    fn a_bad_url_is_answered_with_a_good_one(#[case] url: &str, #[case] example: &str) {
        assert_eq!(Servers::of_url(url), Some(Err(example)));
    }
}
