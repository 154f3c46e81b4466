//! Guarantees of `SqliteStore`, on real files.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod corrupt;
#[cfg(test)]
mod locked;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod processes;
#[cfg(test)]
mod scratch;
