//! The fourteen promises, each by name. The list in auth-core's crate docs points here.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "guarantees/at_rest.rs"]
mod at_rest;
#[path = "guarantees/bounded.rs"]
mod bounded;
#[path = "guarantees/change_email.rs"]
mod change_email;
#[path = "guarantees/clean_up.rs"]
mod clean_up;
#[path = "guarantees/crash.rs"]
mod crash;
#[path = "guarantees/delivery.rs"]
mod delivery;
#[path = "guarantees/fail_closed.rs"]
mod fail_closed;
#[path = "guarantees/indistinguishable.rs"]
mod indistinguishable;
#[path = "guarantees/lifetime.rs"]
mod lifetime;
#[path = "guarantees/limits.rs"]
mod limits;
#[path = "guarantees/mail.rs"]
mod mail;
#[path = "guarantees/once.rs"]
mod once;
#[path = "guarantees/purpose.rs"]
mod purpose;
#[path = "guarantees/refresh.rs"]
mod refresh;
#[path = "guarantees/reset.rs"]
mod reset;
