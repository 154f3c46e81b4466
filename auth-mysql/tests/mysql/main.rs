//! What `MySqlStore` promises, on the real servers that `scripts/test` starts.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod import;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod server;
#[cfg(test)]
mod spread;
