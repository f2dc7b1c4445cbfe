//! Whose prices hold at an address.

/// Hosts of the providers that the built-in prices name; those below them, such as the regions of
/// a provider, are among them.
const HOSTS: [(&str, &str); 7] = [
    ("api.openai.com", "openai"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("api.x.ai", "xai"),
    ("api.deepseek.com", "deepseek"),
    ("api.mistral.ai", "mistral"),
    ("api.groq.com", "groq"),
];

/// The provider, as prices name it, that is reached at a host; `None` for all others, whose prices
/// need not be those of the models' makers.
pub fn provider_of_host(host: &str) -> Option<&'static str> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let reached = |known: &str| match host.strip_suffix(known) {
        Some(above) => above.is_empty() || above.ends_with('.'),
        None => false,
    };
    let found = HOSTS.iter().find(|(known, _)| reached(known));
    found.map(|(_, provider)| *provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_those_below_it_belong_to_its_provider() {
        for (host, provider) in [
            ("api.openai.com", Some("openai")),
            ("eu.API.openai.com.", Some("openai")),
            ("api.x.ai", Some("xai")),
            ("evilapi.openai.com", None),
            ("api.openai.com.example", None),
            ("127.0.0.1", None),
            ("", None),
        ] {
            assert_eq!(provider_of_host(host), provider, "{host}");
        }
    }
}
