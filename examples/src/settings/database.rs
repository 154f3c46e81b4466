//! Where everything is kept.

use super::reader::Reader;

/// Where users, sessions and promised mails are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// In this process, and gone with it.
    Memory,
    /// In one file: the URL that `SqliteStore::connect` takes.
    Sqlite(String),
}

const GROUP: [&str; 6] =
    ["DATABASE_HOST", "DATABASE_PORT", "DATABASE_USER", "DATABASE_PASSWORD", "DATABASE_NAME", "DATABASE_SSL"];

pub(super) fn read(reader: &mut Reader<'_>) -> Database {
    let group: Vec<&str> = GROUP.into_iter().filter(|name| reader.text(name).is_some()).collect();
    let url = reader.text("DATABASE_URL");
    match (url, group.as_slice()) {
        (Some(_), [_, ..]) => {
            reader.problem("DATABASE_URL", format!("must not be set together with {}", group.join(", ")));
        }
        (None, [_, ..]) => reader.problem("DATABASE_HOST", NO_MYSQL),
        (Some(url), []) => return reader.read("DATABASE_URL", Database::Memory, |_| parse(url)),
        (None, []) => {}
    }
    Database::Sqlite("sqlite://auth.db".to_owned())
}

const NO_MYSQL: &str = "names a MySQL server, for which this build has no store";

fn parse(url: &str) -> Result<Database, &'static str> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Database::Memory),
        Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
            "" => Err("names no file: `sqlite://auth.db`"),
            path if path.contains('?') => Err("must have no parameters"),
            _ => Ok(Database::Sqlite(url.to_owned())),
        },
        Some(("mysql" | "mariadb", _)) => Err(NO_MYSQL),
        _ => Err("must be `sqlite://FILE`, `mysql://...` or `memory:`"),
    }
}
