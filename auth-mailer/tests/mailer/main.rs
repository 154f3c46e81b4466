//! The guarantees of the mailer, tested with real servers that `scripts/servers` starts.

#[cfg(test)]
mod at_rest;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod dkim;
#[cfg(test)]
mod encryption;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod postfix;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod service;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod templates;
