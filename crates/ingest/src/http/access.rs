//! Who may call: bearer tokens, and the names a server may be called by.
//!
//! A page in a browser can make its own name point to 127.0.0.1 and then talk to a local server with the browser's reach (DNS
//! rebinding); it cannot change the `Host` header, so only loopback names, the address listened on and configured names are
//! let through. Requests from other origins are stopped by the browser itself: events need a content type that is not
//! "simple", and no CORS headers are ever sent. What a caller that is let in may do is [`super::caller`]'s part.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::{Authority, Uri};
use riverrun_event::Verb;

use super::caller::{Caller, Grant};

/// A secret a caller may show, kept as its hash only, and what it allows.
#[derive(Clone)]
pub struct Token {
    grant: Arc<Grant>,
    hash: blake3::Hash,
}

impl Token {
    /// Whoever shows `secret` has this grant.
    #[must_use]
    pub fn new(grant: Grant, secret: &str) -> Self {
        Self { grant: Arc::new(grant), hash: blake3::hash(secret.as_bytes()) }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Token").field("grant", &self.grant).finish_non_exhaustive()
    }
}

/// The rules of one server.
#[derive(Clone, Debug)]
pub struct Access {
    listen: IpAddr,
    hosts: Vec<String>,
    tokens: Vec<Token>,
}

/// Why a caller was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// No token, or none that is known.
    #[error("send a token of this app's `access:` as the header `Authorization: Bearer <token>`")]
    Token,
    /// The request is meant for another host, or says none or several.
    #[error(
        "the request is for host {0:?}; allowed are loopback names, the address listened on and `access.hosts` of the app file"
    )]
    Host(String),
    /// The caller's token has not this verb.
    #[error("the token {caller:?} has not the verb {verb}{}; see `access:` of the app file", for_topic(topic.as_deref()))]
    Verb {
        /// The token's name.
        caller: String,
        /// What it would need.
        verb: Verb,
        /// For which topic, if it was for one.
        topic: Option<String>,
    },
    /// The caller's token does not hold for this topic.
    #[error("the token {caller:?} may not {verb} topic {topic:?}; see `access:` of the app file")]
    Topic {
        /// The token's name.
        caller: String,
        /// What it wanted to do.
        verb: Verb,
        /// With which topic.
        topic: String,
    },
}

fn for_topic(topic: Option<&str>) -> String {
    topic.map(|topic| format!(", which topic {topic:?} needs")).unwrap_or_default()
}

impl Access {
    /// Rules for a server that listens on `listen`. `hosts` are further names it is called by, with or without a port.
    /// Without `tokens` none is asked for.
    #[must_use]
    pub fn new(listen: SocketAddr, hosts: &[String], tokens: Vec<Token>) -> Self {
        let hosts = hosts.iter().map(|host| host_of(host).unwrap_or(host).to_ascii_lowercase()).collect();
        Self { listen: listen.ip(), hosts, tokens }
    }

    /// Who sends this request.
    ///
    /// # Errors
    /// [`AccessError::Host`] and [`AccessError::Token`] say what is missing.
    pub fn caller(&self, uri: &Uri, headers: &HeaderMap) -> Result<Caller, AccessError> {
        self.check_host(uri, headers)?;
        self.known(headers.get(AUTHORIZATION).map(|value| value.as_bytes()))
    }

    /// Who shows this value of `Authorization`.
    ///
    /// # Errors
    /// [`AccessError::Token`].
    pub(crate) fn known(&self, authorization: Option<&[u8]>) -> Result<Caller, AccessError> {
        if self.tokens.is_empty() {
            return Ok(Caller::anyone());
        }
        let shown = authorization.and_then(bearer);
        // Nothing shown is never a token, not even one that was declared empty.
        let shown = shown.filter(|shown| !shown.is_empty()).ok_or(AccessError::Token)?;
        let hash = blake3::hash(shown);
        // Hashes are compared in constant time, and all of them: the time taken tells nothing.
        let known = self.tokens.iter().fold(None, |known, token| if token.hash == hash { Some(token) } else { known });
        known.map(|token| Caller::new(Arc::clone(&token.grant))).ok_or(AccessError::Token)
    }

    /// Refuses the origin of a page that is neither this server's own nor on a configured host. What is no browser sends none.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), String> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or("?");
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).unwrap_or_default();
        let called = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_own = !authority.is_empty() && authority.eq_ignore_ascii_case(called);
        let is_configured =
            host_of(authority).is_some_and(|host| self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)));
        if is_own || is_configured { Ok(()) } else { Err(origin.chars().take(200).collect()) }
    }

    /// Refuses a request for another host.
    pub(super) fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), AccessError> {
        let mut stated = headers.get_all(HOST).iter();
        let (first, second) = (stated.next(), stated.next());
        let text = first.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let refused = |host: &str| AccessError::Host(host.chars().take(200).collect());
        let header_allowed = second.is_none() && host_of(text).is_some_and(|host| self.is_allowed(host));
        if !header_allowed {
            return Err(refused(text));
        }
        // An absolute request target names a host of its own (RFC 9112, 3.2.2); it must be allowed too.
        match uri.authority().map(Authority::as_str) {
            Some(authority) if !host_of(authority).is_some_and(|host| self.is_allowed(host)) => Err(refused(authority)),
            _ => Ok(()),
        }
    }

    fn is_allowed(&self, host: &str) -> bool {
        if host.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
        {
            return true;
        }
        // Whoever listens on all addresses is called by any of them; an address, unlike a name, cannot be rebound.
        host.parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback() || address == self.listen || self.listen.is_unspecified())
    }
}

/// The token of an `Authorization: Bearer` header; the scheme's case does not matter.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// The host of `host[:port]`, without the brackets of an IPv6 address.
fn host_of(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        return (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(host);
    }
    match text.split_once(':') {
        None => (!text.is_empty()).then_some(text),
        Some((host, port)) => (!host.is_empty() && is_port(port)).then_some(host),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(listen: &str, host: &str, allowed: bool) {
        let access = Access::new(listen.parse().unwrap(), &["riverrun.example:80".to_owned()], Vec::new());
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        assert_eq!(access.caller(&Uri::from_static("/events"), &headers).is_ok(), allowed, "{host} on {listen}");
    }

    #[test]
    fn only_names_that_cannot_be_rebound_are_let_through() {
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "Riverrun.Example",
            "10.0.0.7:1",
        ] {
            check("10.0.0.7:8080", good, true);
        }
        let bad = [
            "",
            "evil.example",
            "evil.example:8080",
            "10.0.0.8",
            "localhost.evil.example",
            "[::1",
            "localhost:x",
            ":80",
            "a:1:2",
        ];
        for bad in bad {
            check("10.0.0.7:8080", bad, false);
        }
        check("0.0.0.0:8080", "10.0.0.8:8080", true);
        check("0.0.0.0:8080", "evil.example:8080", false);
    }

    #[test]
    fn an_absolute_target_and_a_second_host_are_checked_too() {
        let access = Access::new("127.0.0.1:1".parse().unwrap(), &[], Vec::new());
        let mut headers = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
        assert!(access.caller(&Uri::from_static("http://evil.example/events"), &headers).is_err());
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(access.caller(&Uri::from_static("/events"), &headers).is_err());
        assert!(access.caller(&Uri::from_static("/events"), &HeaderMap::new()).is_err());
    }

    #[test]
    fn an_empty_secret_opens_nothing() {
        let access = Access::new("127.0.0.1:1".parse().unwrap(), &[], vec![Token::new(Grant::everything("empty"), "")]);
        let mut headers = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
        assert_eq!(access.caller(&Uri::from_static("/events"), &headers).err(), Some(AccessError::Token));
        headers.insert(AUTHORIZATION, "Bearer ".parse().unwrap());
        assert_eq!(access.caller(&Uri::from_static("/events"), &headers).err(), Some(AccessError::Token));
    }

    #[test]
    fn tokens_open_the_door() {
        let tokens = vec![Token::new(Grant::everything("a"), "first"), Token::new(Grant::everything("b"), "second")];
        let access = Access::new("127.0.0.1:1".parse().unwrap(), &[], tokens);
        for (authorization, allowed) in [
            ("Bearer first", true),
            ("bearer second", true),
            ("Bearer third", false),
            ("Basic first", false),
            ("Bearer ", false),
        ] {
            let mut headers = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
            headers.insert(AUTHORIZATION, authorization.parse().unwrap());
            assert_eq!(access.caller(&Uri::from_static("/events"), &headers).is_ok(), allowed, "{authorization}");
        }
    }
}
