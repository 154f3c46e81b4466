//! The client of a request: its network address, its user agent and its device token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::user::disturbs_text;

mod device_token;
mod languages;

pub(crate) use device_token::DeviceKeys;
pub use device_token::DeviceToken;
pub use languages::Languages;

/// Longest user agent stored, in characters.
const MAX_USER_AGENT_CHARS: usize = 256;

/// Longest solution of a challenge, in bytes: those of CAPTCHA services have up to 2 KiB.
const MAX_CHALLENGE_BYTES: usize = 8 * 1024;

/// The client of one request: what the request brought besides its body.
#[derive(Debug, Clone, Default)]
pub struct Client {
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    device: Option<DeviceToken>,
    challenge_response: Option<String>,
    languages: Option<Languages>,
}

impl Client {
    /// Makes a client from its address and its user agent.
    ///
    /// # Security
    ///
    /// `ip` must be the peer's address, or the address that a trusted proxy reported. Clients without an
    /// address share one bucket per rate limit.
    pub fn new(ip: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let user_agent = user_agent
            .map(|text| text.chars().filter(|c| !disturbs_text(*c)).take(MAX_USER_AGENT_CHARS).collect())
            .filter(|text: &String| !text.is_empty());
        Self { ip: ip.map(|ip| ip.to_canonical()), user_agent, ..Self::default() }
    }

    /// Adds the [device token](crate::SessionTokens::device_token) that the client got at its last log-in. A
    /// text that is no device token is the same as none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use auth_core::{Auth, Client, Mailbox, MemoryStore, Password};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let auth = Auth::builder(MemoryStore::new(), Mailbox::new())
    /// #     .secret(std::env::var("AUTH_SECRET")?)
    /// #     .build()?;
    /// # auth.create_user("ada@example.com", Password::new("correct horse battery"), None).await?;
    /// let client = Client::new("192.0.2.7".parse().ok(), None);
    /// let tokens = auth.log_in("ada@example.com", Password::new("correct horse battery"), &client).await?;
    /// let device = tokens.device_token.ok_or("a log-in gives one")?;
    /// // At the next log-in, perhaps from another network.
    /// let client = Client::new("198.51.100.4".parse().ok(), None).with_device_token(&device.expose());
    /// auth.log_in("ada@example.com", Password::new("correct horse battery"), &client).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_device_token(mut self, text: &str) -> Self {
        self.device = DeviceToken::parse(text);
        self
    }

    /// Adds the languages that the client prefers, for the mails that its request asks for.
    #[must_use]
    pub fn with_languages(mut self, languages: Languages) -> Self {
        self.languages = Some(languages);
        self
    }

    /// Returns the languages that the client prefers.
    pub const fn languages(&self) -> Option<&Languages> {
        self.languages.as_ref()
    }

    /// Makes a client without address and user agent, such as a command-line tool.
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Returns the address; an IPv4-mapped IPv6 address as IPv4.
    pub const fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// Returns the user agent, cut to 256 characters, without control characters.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }

    /// Adds the solution of a [`Challenge`](crate::Challenge) that the request brought. A longer text than 8 KiB
    /// is the same as none.
    #[must_use]
    pub fn with_challenge_response(mut self, text: &str) -> Self {
        self.challenge_response = Some(text.to_owned()).filter(|text| text.len() <= MAX_CHALLENGE_BYTES);
        self
    }

    pub(crate) fn challenge_response(&self) -> Option<&str> {
        self.challenge_response.as_deref()
    }

    pub(crate) const fn device(&self) -> Option<&DeviceToken> {
        self.device.as_ref()
    }

    /// Returns what a limit by client counts: the IPv4 address, or the /64 network of an IPv6 address,
    /// which is what one customer usually gets (RFC 6177).
    pub(crate) fn network(&self) -> Vec<u8> {
        self.prefix(32, 64)
    }

    /// Returns the wider network that limits by client count, too: always of an IPv6 address, of an IPv4
    /// address only on demand.
    pub(crate) fn limited_wide_network(&self, of_ipv4: bool) -> Option<Vec<u8>> {
        let ip = self.ip?;
        (of_ipv4 || ip.is_ipv6()).then(|| self.wide_network())
    }

    /// Returns the network that one owner of many addresses has: the /24 of an IPv4 address, the /48 of an
    /// IPv6 address (RFC 6177 section 2).
    pub(crate) fn wide_network(&self) -> Vec<u8> {
        self.prefix(24, 48)
    }

    /// Returns the address with all bits after its prefix of this length cleared.
    fn prefix(&self, v4: u32, v6: u32) -> Vec<u8> {
        match self.ip {
            None => b"unknown".to_vec(),
            Some(IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - v4).unwrap_or(0);
                Ipv4Addr::from_bits(ip.to_bits() & mask).octets().to_vec()
            }
            Some(IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - v6).unwrap_or(0);
                Ipv6Addr::from_bits(ip.to_bits() & mask).octets().to_vec()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(ip: &str) -> Vec<u8> {
        Client::new(Some(ip.parse().unwrap()), None).network()
    }

    #[test]
    fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }

    #[test]
    fn wide_networks_are_48_and_24_bits() {
        let wide = |ip: &str| Client::new(Some(ip.parse().unwrap()), None).wide_network();
        assert_eq!(wide("2001:db8:1:2::1"), wide("2001:db8:1:ffff:ffff::9"));
        assert_ne!(wide("2001:db8:1::1"), wide("2001:db8:2::1"));
        assert_eq!((wide("192.0.2.1"), wide("192.0.2.1").len()), (wide("192.0.2.255"), 4));
        assert_ne!(wide("192.0.2.1"), wide("192.0.3.1"));
    }

    #[test]
    fn user_agents_are_cut_and_cleaned() {
        let client = Client::new(None, Some(&format!("a\r\n\u{1b}[31mb{}", "x".repeat(300))));
        let user_agent = client.user_agent().unwrap();
        assert!(user_agent.starts_with("a[31mb"));
        assert_eq!(user_agent.chars().count(), 256);
        assert_eq!(Client::new(None, Some("\0")).user_agent(), None);
    }
}
