//! Where the hub and the cache are, from the same environment variables that Python's library reads.
//!
//! Names, precedence and expansion follow `huggingface_hub/constants.py` 2.4.0.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::HubError;
use super::disk::{Disk, SystemDisk};
use super::error::clean;
use super::home::home_folder;
use super::proxy::Proxies;
use super::token::Token;
use super::url::without_credentials;
use crate::disk::read_text;

const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// The longest token file that is read; a token has about 40 characters.
const TOKEN_BYTES: u64 = 64 << 10;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything the hub layer is told from outside.
#[derive(Clone)]
pub struct HubConfig {
    /// The hub, without a slash at the end.
    pub endpoint: String,
    /// The folder that holds `models--org--name` (`HF_HUB_CACHE`), shared with Python. `None` where no home folder is known and
    /// nothing else says where it is: what needs it fails with [`HubError::NoCacheFolder`].
    pub cache: Option<PathBuf>,
    /// The access token. It is sent to `endpoint` and nowhere else.
    pub token: Option<Token>,
    /// Use what is cached and open no connection.
    pub offline: bool,
    /// How long the hub may take to answer a look-up.
    pub etag_timeout: Duration,
    /// How long a download may stand still.
    pub download_timeout: Duration,
    /// What requests go through on their way.
    pub proxies: Proxies,
    /// When to try again and when to give up.
    pub patience: Patience,
    /// The file system below the cache.
    pub disk: Arc<dyn Disk>,
}

/// When a download tries again and when it gives up.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Tries in a row that bring no new byte before an error is final.
    pub attempts: u32,
    /// The wait before the second try; it doubles up to eight times this.
    pub backoff: Duration,
    /// The longest `Retry-After` that is waited out.
    pub longest_wait: Duration,
    /// A body that brings fewer than `trickle_bytes` within this time counts as standing still.
    pub trickle_window: Duration,
    /// See `trickle_window`.
    pub trickle_bytes: u64,
}

impl Default for Patience {
    /// Five tries with 1 s to 8 s between them, as huggingface_hub's `http_backoff`; a minute for 4 KiB.
    fn default() -> Self {
        Self {
            attempts: 5,
            backoff: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            trickle_window: Duration::from_secs(60),
            trickle_bytes: 4096,
        }
    }
}

impl HubConfig {
    /// The configuration that the environment describes.
    ///
    /// # Errors
    /// [`HubError::InvalidSetting`] for an endpoint that is no http address, or a time that is no number.
    pub fn from_env() -> Result<Self, HubError> {
        let get = |name: &str| std::env::var_os(name);
        Self::read(&get, home_folder(get))
    }

    /// The same from any look-up of variables. The only file that is read is the token's.
    ///
    /// # Errors
    /// As [`HubConfig::from_env`].
    pub fn from_vars(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, HubError> {
        let home = get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self::read(&get, home)
    }

    fn read(get: &dyn Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Result<Self, HubError> {
        let vars = Vars { get, home };
        Ok(Self {
            endpoint: vars.endpoint()?,
            cache: (vars.path("HF_HUB_CACHE"))
                .or_else(|| vars.path("HUGGINGFACE_HUB_CACHE"))
                .or_else(|| Some(vars.hf_home()?.join("hub"))),
            token: vars.token(),
            offline: vars.is_true("HF_HUB_OFFLINE")
                || (vars.text("HF_HUB_OFFLINE").is_none() && vars.is_true("TRANSFORMERS_OFFLINE")),
            etag_timeout: vars.seconds("HF_HUB_ETAG_TIMEOUT")?,
            download_timeout: vars.seconds("HF_HUB_DOWNLOAD_TIMEOUT")?,
            proxies: Proxies::of(&|name| vars.text(name)),
            patience: Patience::default(),
            disk: Arc::new(SystemDisk),
        })
    }
}

impl fmt::Debug for HubConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubConfig")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token)
            .field("offline", &self.offline)
            .field("etag_timeout", &self.etag_timeout)
            .field("download_timeout", &self.download_timeout)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

struct Vars<'a> {
    get: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
}

impl Vars<'_> {
    /// An empty variable counts as unset, as a shell user expects. What is no UTF-8 is no valid setting either: it fails the
    /// check of its kind with the place marked.
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.get)(name).filter(|value| !value.is_empty())?;
        Some(value.to_string_lossy().into_owned())
    }

    fn is_true(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| matches!(value.to_ascii_uppercase().as_str(), "1" | "ON" | "YES" | "TRUE"))
    }

    /// A folder; a name that is not UTF-8 is taken as it is.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = (self.get)(name).filter(|value| !value.is_empty())?;
        Some(match value.to_str() {
            Some(text) => self.expand(text).into(),
            None => value.into(),
        })
    }

    fn hf_home(&self) -> Option<PathBuf> {
        let cache = || self.path("XDG_CACHE_HOME").or_else(|| Some(self.home.as_ref()?.join(".cache")));
        self.path("HF_HOME").or_else(|| Some(cache()?.join("huggingface")))
    }

    fn token(&self) -> Option<Token> {
        if self.is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            return None;
        }
        let from_var = self.text("HF_TOKEN").or_else(|| self.text("HUGGING_FACE_HUB_TOKEN"));
        from_var.and_then(|text| Token::new(&text)).or_else(|| {
            let path = self.path("HF_TOKEN_PATH").or_else(|| Some(self.hf_home()?.join("token")))?;
            Token::new(&read_text(&path, TOKEN_BYTES).ok()?)
        })
    }

    fn endpoint(&self) -> Result<String, HubError> {
        let Some(value) = self.text("HF_ENDPOINT") else {
            return Ok(DEFAULT_ENDPOINT.to_owned());
        };
        let endpoint = value.trim_end_matches('/');
        match super::url::Origin::of(endpoint) {
            Some(_) if !endpoint.contains(['?', '#']) => Ok(endpoint.to_owned()),
            _ => Err(HubError::InvalidSetting {
                name: "HF_ENDPOINT",
                value: clean(&without_credentials(&value), 120),
                reason: "it must be an address like https://huggingface.co, without a user name",
            }),
        }
    }

    fn seconds(&self, name: &'static str) -> Result<Duration, HubError> {
        let Some(value) = self.text(name) else {
            return Ok(DEFAULT_TIMEOUT);
        };
        let seconds: Option<f64> = value.trim().parse().ok();
        seconds.filter(|s| *s > 0.0 && *s <= 86_400.0).map(Duration::from_secs_f64).ok_or_else(|| {
            HubError::InvalidSetting {
                name,
                value: clean(&value, 120),
                reason: "it must be a number of seconds above 0",
            }
        })
    }

    /// `~` at the start, then `$NAME` and `${NAME}`; an unknown variable stays as it is written
    /// (Python's `expandvars(expanduser(..))`).
    fn expand(&self, value: &str) -> String {
        let mut rest = value.to_owned();
        if let (Some(tail), Some(home)) = (value.strip_prefix('~'), &self.home)
            && (tail.is_empty() || tail.starts_with('/'))
        {
            rest = format!("{}{tail}", home.display());
        }
        let mut expanded = String::new();
        while let Some(dollar) = rest.find('$') {
            let after = &rest[dollar + 1..];
            let (name, end) = match after.strip_prefix('{').and_then(|inner| inner.find('}')) {
                Some(close) => (&after[1..=close], close + 2),
                None => {
                    let end = after.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(after.len());
                    (&after[..end], end)
                }
            };
            expanded.push_str(&rest[..dollar]);
            match (self.get)(name) {
                Some(text) if !name.is_empty() => expanded.push_str(&text.to_string_lossy()),
                _ => expanded.push_str(&rest[dollar..=dollar + end]),
            }
            rest = after[end..].to_owned();
        }
        expanded + &rest
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<HubConfig, HubError> {
        HubConfig::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()))
    }

    #[test]
    fn cache_folder_follows_python() {
        let cases: &[(&[(&str, &str)], &str)] = &[
            (&[("HOME", "/h")], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/hf")], "/hf/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "~/hf")], "/h/hf/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "$D/${E}x/$NO"), ("D", "/d"), ("E", "e")], "/d/ex/$NO/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/hf"), ("HUGGINGFACE_HUB_CACHE", "/old")], "/old"),
            (&[("HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "~/new")], "/h/new"),
            (&[("HOME", "/h"), ("HF_HOME", "~other/x")], "~other/x/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/a$")], "/a$/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/a${b")], "/a${b/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "")], "/h/.cache/huggingface/hub"),
        ];
        for (vars, expected) in cases {
            assert_eq!(read(vars).unwrap().cache, Some(PathBuf::from(expected)), "{vars:?}");
        }
        assert_eq!(read(&[]).unwrap().cache, None);
    }

    #[test]
    fn switches_and_times() {
        let home = ("HOME", "/nowhere");
        for (vars, offline) in [
            (vec![], false),
            (vec![("HF_HUB_OFFLINE", "1")], true),
            (vec![("HF_HUB_OFFLINE", "true")], true),
            (vec![("HF_HUB_OFFLINE", "0")], false),
            (vec![("TRANSFORMERS_OFFLINE", "YES")], true),
            (vec![("HF_HUB_OFFLINE", "0"), ("TRANSFORMERS_OFFLINE", "1")], false),
        ] {
            let all: Vec<_> = vars.iter().copied().chain([home]).collect();
            assert_eq!(read(&all).unwrap().offline, offline, "{vars:?}");
        }
        let config = read(&[home, ("HF_HUB_ETAG_TIMEOUT", "2.5"), ("HF_HUB_DOWNLOAD_TIMEOUT", "30")]).unwrap();
        assert_eq!((config.etag_timeout.as_millis(), config.download_timeout.as_secs()), (2500, 30));
        for bad in ["0", "-1", "x", "nan", "inf", "1e99"] {
            assert!(read(&[home, ("HF_HUB_ETAG_TIMEOUT", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn endpoints() {
        for (value, expected) in [
            ("https://hf.example/", Some("https://hf.example")),
            ("http://127.0.0.1:8080/base//", Some("http://127.0.0.1:8080/base")),
            ("hf.example", None),
            ("ftp://x", None),
            ("https://user:pw@x", None),
            ("https://x/?q", None),
            ("https://", None),
        ] {
            let got = read(&[("HOME", "/h"), ("HF_ENDPOINT", value)]).ok().map(|config| config.endpoint);
            assert_eq!(got.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn tokens_and_their_secrecy() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        std::fs::write(folder.path().join("token"), "hf_file\n").unwrap();
        std::fs::write(folder.path().join("other"), "hf_other").unwrap();
        let other = format!("{home}/other");
        for (vars, expected) in [
            (vec![], Some("hf_file")),
            (vec![("HF_TOKEN", " hf_env\n")], Some("hf_env")),
            (vec![("HF_TOKEN", "")], Some("hf_file")),
            (vec![("HF_TOKEN_PATH", other.as_str())], Some("hf_other")),
            (vec![("HF_TOKEN", "hf_env"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], None),
            (vec![("HF_TOKEN", "a\r\nX-Evil: 1"), ("HF_TOKEN_PATH", "/nowhere")], None),
        ] {
            let all: Vec<_> = vars.iter().copied().chain([("HF_HOME", home)]).collect();
            let config = read(&all).unwrap();
            assert_eq!(config.token, expected.and_then(Token::new), "{vars:?}");
            assert!(!format!("{config:?}").contains("hf_"), "{config:?}");
        }
    }
}
