//! The classes of requests whose answers must take the same time, and the negative controls.

use std::time::Duration;

use auth_tests::PASSWORD;

/// A wrong password, of the same length as [`PASSWORD`].
pub(crate) const WRONG: &str = "another horse battery";
/// The password of registrations and resets.
pub(crate) const NEW: &str = "another fine passphrase";

/// Requests that are alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class {
    pub(crate) name: &'static str,
    /// Whose address is given. All addresses are of one length.
    pub(crate) account: &'static str,
    /// The password given. A class whose password has another length has another base.
    pub(crate) typed: Typed,
    /// The place of the class that it is compared with: its own for a base.
    pub(crate) against: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    Wrong,
    Right,
    OverLong,
}

impl Typed {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Wrong => WRONG.to_owned(),
            Self::Right => PASSWORD.to_owned(),
            Self::OverLong => "x".repeat(5_000),
        }
    }
}

const fn class(name: &'static str, account: &'static str, typed: Typed, against: usize) -> Class {
    Class { name, account, typed, against }
}

const fn of(name: &'static str, account: &'static str) -> Class {
    class(name, account, Typed::Wrong, 0)
}

pub(crate) const LOG_IN: &[Class] = &[
    of("unknown", "unknown"),
    of("wrong password", "verified"),
    of("unverified", "unverified"),
    of("disabled", "disabled"),
    class("disabled, right password", "disabled", Typed::Right, 0),
    of("no password", "passwordless"),
    of("legacy bcrypt", "bcrypt"),
    of("legacy PBKDF2", "pbkdf2"),
    of("legacy scrypt", "scrypt"),
    of("legacy phpass", "phpass"),
    class("unknown, over-long password", "unknown", Typed::OverLong, 10),
    class("over-long password", "verified", Typed::OverLong, 10),
    class("legacy bcrypt, over-long password", "bcrypt", Typed::OverLong, 10),
    class("legacy phpass, over-long password", "phpass", Typed::OverLong, 10),
];
pub(crate) const MAIL: &[Class] = &[
    of("unknown", "unknown"),
    of("verified", "verified"),
    of("unverified", "unverified"),
    of("disabled", "disabled"),
    of("no password", "passwordless"),
];
pub(crate) const REGISTER: &[Class] = &[
    of("free", "free"),
    of("taken", "verified"),
    of("taken, unverified", "unverified"),
    of("taken, disabled", "disabled"),
    of("taken, no password", "passwordless"),
];
/// Links with a wrong secret. Who invents the name of a link, too, learns that there is none, and nothing of
/// any address: that one is measured and compared with nothing.
pub(crate) const RESET: &[Class] = &[
    of("link of a verified user", "verified"),
    of("link of an unverified user", "unverified"),
    of("link of a user without a password", "passwordless"),
    class("invented link", "unknown", Typed::Wrong, 3),
];

/// The negative control of an operation: requests like those of its base, measured with [`ADDED`] to their
/// time.
const fn slower(base: &'static str, account: &'static str) -> [Class; 2] {
    [of(base, account), of(SLOWER, account)]
}

const SLOWER: &str = "negative control: 1 ms more";

/// What a library would take longer that does more for some accounts than for others.
const ADDED: Duration = Duration::from_millis(1);

impl Class {
    /// The time that is measured for a request of this class which took so long.
    pub(crate) fn measured(self, took: Duration) -> Duration {
        if self.name == SLOWER { took + ADDED } else { took }
    }
}

/// What is measured: what must not be distinguishable, or what must.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Classes {
    pub(crate) log_in: &'static [Class],
    pub(crate) mail: &'static [Class],
    pub(crate) register: &'static [Class],
    pub(crate) reset: &'static [Class],
}

pub(crate) const MEASURED: Classes = Classes { log_in: LOG_IN, mail: MAIL, register: REGISTER, reset: RESET };
pub(crate) const CONTROLS: Classes = Classes {
    log_in: &slower("unknown", "unknown"),
    mail: &slower("unknown", "unknown"),
    register: &slower("free", "free"),
    reset: &slower("invented link", "unknown"),
};

/// The accounts with hashes of other systems: `$2a$` of "U*U"; Django's, passlib's and WordPress' of other passwords. Each
/// has the highest accepted cost.
pub(crate) const LEGACY: [(&str, &str); 4] = [
    ("bcrypt", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("pbkdf2", "pbkdf2_sha256$1000$seasalt2026$WRlqyw3Sv16VUn0ZG6z+nKFG6ssu93/RjlI/Jz9vwNE="),
    ("scrypt", "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$BAwX4wy5syErtutELBM6CD892Gi+Mr8Abge5OUkZrdo"),
    ("phpass", "$P$5UgqspQPOg9638wjIwP5tFT8ptWdFC/"),
];
/// The cost of the first.
pub(crate) const BCRYPT_COST: u32 = 5;
/// The costs of the others.
pub(crate) const LEGACY_COSTS: &str = "pbkdf2-sha256:1000,scrypt:1024,phpass:7";

/// The address of an account, as long as any other's.
pub(crate) fn address(account: &str) -> String {
    format!("{account:x<20}@example.com")
}

/// The address to register in this turn of a round: another each time, unless the class says that it is
/// taken.
pub(crate) fn to_register(class: Class, [round, turn]: [usize; 2]) -> String {
    match class.account {
        account @ "free" => address(&format!("{account}{turn:02}{round:08}")),
        account => address(account),
    }
}

/// Whose links to set a new password are asked for, to be presented with a wrong secret.
pub(crate) const LINKED: [&str; 3] = ["verified", "unverified", "passwordless"];

/// A link that is not good: it has the name of a real one, or an invented name.
pub(crate) fn bad_link(class: Class, links: &[String; 3]) -> String {
    let real = LINKED.iter().position(|account| *account == class.account);
    let name = "QgAAQgAAQgAAQgAAQgAAQgA";
    let (known, _) = links[real.unwrap_or_default()].split_once('.').unwrap();
    assert_eq!(name.len(), known.len(), "the form of a link has changed");
    format!("{}.{}", if real.is_some() { known } else { name }, "A".repeat(43))
}
