//! Facts about the machine and the process, for `bench` and `doctor`.

use std::collections::BTreeMap;

use kshot::hub::without_credentials;

/// The instruction sets that the kernels can make use of and that this processor has.
pub(super) fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        [
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("f16c", is_x86_feature_detected!("f16c")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
            ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        ]
        .into_iter()
        .filter_map(|(name, has)| has.then_some(name))
        .collect()
    }
    #[cfg(target_arch = "aarch64")]
    {
        if std::arch::is_aarch64_feature_detected!("neon") { vec!["neon"] } else { Vec::new() }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        Vec::new()
    }
}

/// How many threads the kernels use: what `main` told the pools.
pub(super) fn threads() -> usize {
    std::env::var("RAYON_NUM_THREADS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// The most memory this process has had resident so far, in bytes. `None` where the system does not say.
pub(super) fn peak_resident() -> Option<u64> {
    status("VmHWM")
}

/// The variables that change what kshot does, secrets hidden.
pub(super) fn environment() -> BTreeMap<String, String> {
    const PREFIXES: [&str; 5] = ["KSHOT_", "HF_", "HUGGINGFACE_", "XDG_", "CANDLE_"];
    const NAMES: [&str; 19] = [
        "TERM",
        "COLORTERM",
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "LANG",
        "LC_ALL",
        "RAYON_NUM_THREADS",
        "TRANSFORMERS_OFFLINE",
        "HOME",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    ];
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| NAMES.contains(&name.as_str()) || PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| {
            let value = shown(&name, value);
            (name, value)
        })
        .collect()
}

/// A value without its secrets: tokens whole, addresses without user and password.
fn shown(name: &str, value: String) -> String {
    let secret = ["TOKEN", "SECRET", "PASSWORD", "KEY"].iter().any(|word| name.to_uppercase().contains(word));
    if secret && !name.ends_with("_PATH") && !name.contains("DISABLE") {
        return if value.is_empty() { String::new() } else { format!("(set, {} characters)", value.chars().count()) };
    }
    let is_address = ["PROXY", "ENDPOINT", "URL"].iter().any(|word| name.to_uppercase().contains(word));
    if is_address || value.contains("://") { without_credentials(&value) } else { value }
}

fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        let cases = [
            ("HF_TOKEN", "hf_abc", "(set, 6 characters)"),
            ("HF_TOKEN", "", ""),
            ("HUGGINGFACE_HUB_TOKEN", "hf_abc", "(set, 6 characters)"),
            ("HF_TOKEN_PATH", "/home/a/token", "/home/a/token"),
            ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", "1"),
            ("HTTPS_PROXY", "http://me:secret@proxy:8080", "http://(hidden)@proxy:8080"),
            ("all_proxy", "me:secret@proxy:8080", "(hidden)@proxy:8080"),
            ("HF_ENDPOINT", "https://hub.example", "https://hub.example"),
            ("HF_ENDPOINT", "https://me:secret@hub.example/?token=secret", "https://(hidden)@hub.example/"),
            ("HF_ENDPOINT", "me:secret@hub.example", "(hidden)@hub.example"),
        ];
        for (name, value, expected) in cases {
            assert_eq!(shown(name, value.to_owned()), expected, "{name}={value}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_what_is_used() {
        assert!(peak_resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
