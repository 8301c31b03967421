//! Addresses: whose they are, where a redirect leads, what may be shown of them.

use ureq::http::Uri;

use super::error::clean;

/// Scheme, host and port: what decides whether the token may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an absolute http address without a user name; `None` for everything else.
    pub(super) fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return None;
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some(Self { secure, host: authority.host().to_ascii_lowercase(), port })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether a redirect from here to there stays on the host: the same origin, or the same host with https for http.
    pub(super) fn stays_at(&self, target: &Self) -> bool {
        self == target || (self.host == target.host && !self.secure && target.secure)
    }

    /// Whether it is this machine itself.
    pub(super) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || bare.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }
}

/// The address that a `Location` seen at `base` means.
pub(super) fn next_url(base: &str, location: &str) -> Result<String, &'static str> {
    let origin = Origin::of(base).ok_or("the address is not http")?;
    let root = base.find("://").map_or(0, |at| at + 3);
    let path_at = base[root..].find(['/', '?', '#']).map_or(base.len(), |at| root + at);
    let url = if location.contains("://") && !location.starts_with('/') {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{}//{rest}", &base[..base.find("//").unwrap_or(0)])
    } else if location.starts_with('/') {
        format!("{}{location}", &base[..path_at])
    } else {
        let path_end = base.find(['?', '#']).unwrap_or(base.len());
        let folder = base[path_at..path_end].rfind('/').map_or(path_end, |at| path_at + at + 1);
        format!("{}{location}", &base[..folder])
    };
    let target = Origin::of(&url).ok_or("it is not an http address")?;
    if origin.secure && !target.secure {
        return Err("it leaves https for http");
    }
    Ok(url)
}

/// Host and port, for messages.
pub(super) fn host_of(url: &str) -> String {
    Origin::of(url).map_or_else(|| clean(url, 80), |origin| format!("{}:{}", origin.host(), origin.port))
}

/// An address without its query and without user and password: neither signatures nor secrets belong in messages.
pub(super) fn plain(url: &str) -> String {
    clean(&without_credentials(url.split(['?', '#']).next().unwrap_or(url)), 200)
}

/// An address, or what was meant as one, with `(hidden)` in the place of user and password, and without its query.
pub fn without_credentials(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let start = url.find("://").map_or(0, |at| at + 3);
    match url[start..].rfind('@') {
        Some(at) => format!("{}(hidden){}", &url[..start], &url[start + at..]),
        None => url.to_owned(),
    }
}

/// A file's path as a part of an address.
pub(super) fn escape_path(path: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~' | b'/');
    path.bytes().map(|b| if keep(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_resolve_against_the_base() {
        let base = "https://h.example:8443/a/b?x=1/2";
        let cases = [
            ("https://cdn.example/f?sig=1", Ok("https://cdn.example/f?sig=1")),
            ("/other", Ok("https://h.example:8443/other")),
            ("sibling", Ok("https://h.example:8443/a/sibling")),
            ("//cdn.example/f", Ok("https://cdn.example/f")),
            ("/r?to=http://x", Ok("https://h.example:8443/r?to=http://x")),
            ("http://h.example/f", Err("it leaves https for http")),
            ("file:///etc/passwd", Err("it is not an http address")),
            ("https://h.example@evil.example/", Err("it is not an http address")),
        ];
        for (location, expected) in cases {
            assert_eq!(next_url(base, location).as_deref(), expected.as_deref(), "{location}");
        }
        assert_eq!(next_url("http://h", "/x").as_deref(), Ok("http://h/x"));
    }

    #[test]
    fn shown_and_escaped() {
        assert_eq!(escape_path("a b/ü?#.bin"), "a%20b/%C3%BC%3F%23.bin");
        assert_eq!(plain("https://h/f?Signature=secret#x"), "https://h/f");
        for (given, shown) in [
            ("https://me:secret@h/f", "https://(hidden)@h/f"),
            ("me:secret@h", "(hidden)@h"),
            ("https://me:se@cret@h:1/?token=secret", "https://(hidden)@h:1/"),
            ("http://me:sec/ret@h", "http://(hidden)@h"),
            ("https://h", "https://h"),
        ] {
            assert_eq!(without_credentials(given), shown);
        }
    }

    #[test]
    fn origins() {
        let same = [("https://h", "https://H:443/x"), ("http://127.0.0.1:80/", "http://127.0.0.1")];
        for (a, b) in same {
            assert_eq!(Origin::of(a), Origin::of(b), "{a} {b}");
        }
        let different =
            [("https://h", "http://h"), ("https://h", "https://h:8443"), ("http://localhost:1", "http://127.0.0.1:1")];
        for (a, b) in different {
            assert!(Origin::of(a).is_some() && Origin::of(a) != Origin::of(b), "{a} {b}");
        }
        let stays = |a: &str, b: &str| Origin::of(a).zip(Origin::of(b)).is_some_and(|(a, b)| a.stays_at(&b));
        assert!(stays("http://h/x", "https://h/y") && stays("https://h/x", "https://h:443/y"));
        assert!(
            !stays("https://h", "https://cdn.h")
                && !stays("https://h", "http://h")
                && !stays("http://h:1", "http://h:2")
        );
        for (url, loopback) in
            [("http://localhost:1", true), ("http://[::1]:1", true), ("http://127.9.9.9", true), ("http://h", false)]
        {
            assert_eq!(Origin::of(url).is_some_and(|origin| origin.is_loopback()), loopback, "{url}");
        }
    }
}
