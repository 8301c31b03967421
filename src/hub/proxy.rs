//! Which proxy an address goes through, as curl and Python's requests read it from the environment: `HTTPS_PROXY` counts for
//! https alone, `HTTP_PROXY` for http, `ALL_PROXY` for both, and `NO_PROXY` lists what is reached without one. Of two
//! spellings the one in lower case comes first.

use std::fmt;
use std::net::IpAddr;

use super::HubError;
use super::error::clean;
use super::url::{Origin, without_credentials};

/// The proxies of the environment.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    except: Vec<Exception>,
}

/// A variable and what it says. One that cannot be used is an error for the addresses it is for, not for what is on disk.
#[derive(Clone)]
struct Setting {
    name: &'static str,
    value: String,
}

/// An entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    /// `*`
    All,
    /// A name and everything below it, at one port or all.
    Name { name: String, port: Option<u16> },
    /// Addresses with the same first bits.
    Net { address: IpAddr, bits: u32, port: Option<u16> },
}

impl Proxies {
    /// Reads the environment.
    pub(super) fn of(get: &dyn Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| get(name).map(|value| Setting { name, value: value.trim().to_owned() }))
        };
        let except = get("no_proxy").or_else(|| get("NO_PROXY")).unwrap_or_default();
        Self {
            http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            except: except.split([',', ' ']).filter_map(Exception::parse).collect(),
        }
    }

    /// The proxy for an address; `None` where it is reached directly.
    ///
    /// # Errors
    /// [`HubError::InvalidSetting`] for a variable that names no proxy that can be used.
    pub(super) fn of_address(&self, origin: &Origin) -> Result<Option<ureq::Proxy>, HubError> {
        let setting = if origin.is_secure() { &self.https } else { &self.http };
        let Some(Setting { name, value }) = setting else { return Ok(None) };
        // A proxy cannot reach this machine's own loopback.
        if origin.is_loopback() || self.except.iter().any(|except| except.covers(origin)) {
            return Ok(None);
        }
        use ureq::ProxyProtocol::{Http, Https};
        match ureq::Proxy::new(value) {
            Ok(proxy) if matches!(proxy.protocol(), Http | Https) && !proxy.host().is_empty() => Ok(Some(proxy)),
            _ => Err(HubError::InvalidSetting {
                name,
                value: clean(&without_credentials(value), 120),
                reason: "it must be a proxy like http://proxy.example:8080 (SOCKS is not supported); NO_PROXY lists hosts that need none",
            }),
        }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={:?}", self.name, without_credentials(&self.value))
    }
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim();
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = entry.split_once('/') {
            let address: IpAddr = bare(address).parse().ok()?;
            let bits = bits.parse().ok().filter(|bits| *bits <= if address.is_ipv4() { 32 } else { 128 })?;
            return Some(Self::Net { address, bits, port: None });
        }
        let whole = |address: IpAddr, port| Self::Net { address, bits: u32::MAX, port };
        if let Ok(address) = bare(entry).parse() {
            return Some(whole(address, None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = bare(host).parse() {
            return Some(whole(address, port));
        }
        let name = host.trim_start_matches('*').trim_matches('.').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self::Name { name, port })
    }

    fn covers(&self, origin: &Origin) -> bool {
        let same_port = |port: &Option<u16>| port.is_none_or(|port| port == origin.port());
        match self {
            Self::All => true,
            Self::Name { name, port } => {
                let host = origin.host().trim_end_matches('.');
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                below && same_port(port)
            }
            Self::Net { address, bits, port } => {
                bare(origin.host()).parse().is_ok_and(|host| same_first(*address, host, *bits)) && same_port(port)
            }
        }
    }
}

/// An address without the brackets that it has in a URL.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Whether two addresses of one kind have the same first bits.
fn same_first(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    let (differing, width) = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a) ^ u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b), 128),
        _ => return false,
    };
    differing.checked_shr(width - bits.min(width)).unwrap_or(0) == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    /// The host of the proxy that an address goes through, or `direct`.
    fn way(vars: &[(&str, &str)], url: &str) -> String {
        let get = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        match Proxies::of(&get).of_address(&Origin::of(url).unwrap()) {
            Ok(proxy) => proxy.map_or_else(|| "direct".to_owned(), |proxy| proxy.host().to_owned()),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let (http, https) = ("http://h.example/x", "https://h.example/x");
        for (vars, of_http, of_https) in [
            (&[][..], "direct", "direct"),
            (&[("HTTPS_PROXY", "http://s:1")], "direct", "s"),
            (&[("HTTP_PROXY", "http://p:1")], "p", "direct"),
            (&[("HTTP_PROXY", "http://p:1"), ("HTTPS_PROXY", "http://s:1")], "p", "s"),
            (&[("ALL_PROXY", "a:1")], "a", "a"),
            (&[("ALL_PROXY", "a:1"), ("https_proxy", "s:1")], "a", "s"),
            (&[("https_proxy", "lower:1"), ("HTTPS_PROXY", "upper:1")], "direct", "lower"),
            (&[("HTTPS_PROXY", "https://me:pw@s:8443")], "direct", "s"),
        ] {
            assert_eq!((way(vars, http).as_str(), way(vars, https).as_str()), (of_http, of_https), "{vars:?}");
        }
        assert_eq!(way(&[("ALL_PROXY", "a:1")], "http://127.0.0.1:80"), "direct");
        assert_eq!(way(&[("ALL_PROXY", "a:1")], "https://localhost"), "direct");
        for bad in ["socks5://me:secret@s:1", "ftp://s", "http://", "me:secret@:"] {
            let error = way(&[("HTTPS_PROXY", bad)], https);
            assert!(error.starts_with("HTTPS_PROXY is set to") && !error.contains("secret"), "{bad}: {error}");
            assert_eq!(way(&[("HTTPS_PROXY", bad)], http), "direct", "{bad}");
            let shown = format!("{:?}", Proxies::of(&|name| (name == "HTTPS_PROXY").then(|| bad.to_owned())));
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn exceptions_are_names_addresses_and_ranges() {
        for (except, url, direct) in [
            ("*", "https://h.example", true),
            ("h.example", "https://h.example", true),
            ("H.Example", "https://sub.H.example", true),
            (".example", "https://h.example", true),
            ("*.example", "https://h.example", true),
            ("example", "https://notexample", false),
            ("h.example:443", "https://h.example", true),
            ("h.example:8443", "https://h.example", false),
            ("other, h.example", "https://h.example", true),
            ("other h.example", "https://h.example", true),
            ("10.0.0.0/8", "https://10.200.3.4", true),
            ("10.0.0.0/8", "https://11.0.0.1", false),
            ("192.168.1.0/24,172.16.0.0/12", "https://172.31.255.255:8443", true),
            ("172.16.0.0/12", "https://172.32.0.0", false),
            ("10.0.0.7", "https://10.0.0.7:1", true),
            ("10.0.0.7:2", "https://10.0.0.7:1", false),
            ("10.0.0.7", "https://10.0.0.8", false),
            ("0.0.0.0/0", "https://9.9.9.9", true),
            ("fd00::/8", "https://[fd12::1]:443", true),
            ("fd00::/8", "https://[fe80::1]", false),
            ("[fd12::1]", "https://[fd12::1]", true),
            ("::1", "https://10.0.0.1", false),
            ("10.0.0.0/99", "https://10.0.0.1", false),
            ("10.0.0.0/8", "https://ten.example", false),
            ("", "https://h.example", false),
        ] {
            let expected = if direct { "direct" } else { "p" };
            assert_eq!(way(&[("ALL_PROXY", "p:1"), ("NO_PROXY", except)], url), expected, "{except:?} {url}");
        }
    }
}
