//! The settings of the database.

use std::fs::File;

use auth_mysql::MySqlOptions;
use auth_postgres::PgOptions;

use super::reader::Reader;

/// The database of users, sessions and mail requests.
#[derive(Debug, Clone)]
pub enum Database {
    /// In the memory of this process; all data ends with it.
    Memory,
    /// In one file: the URL that `SqliteStore::connect` takes.
    Sqlite(String),
    /// On a MySQL or MariaDB server, or a Galera cluster.
    MySql(Box<MySqlOptions>),
    /// On a PostgreSQL server.
    Postgres(Box<PgOptions>),
}

/// The variables that name a server in parts instead of by a URL.
const GROUP: [&str; 8] = [
    "DATABASE_ENGINE",
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
    "DATABASE_NAME",
    "DATABASE_SSL",
    "DATABASE_SSL_CA",
];

pub(super) fn read(reader: &mut Reader<'_>) -> Database {
    let group: Vec<&str> = GROUP.into_iter().filter(|name| reader.text(name).is_some()).collect();
    match (reader.text("DATABASE_URL"), group.as_slice()) {
        (Some(_), [_, ..]) => {
            reader.problem("DATABASE_URL", format!("must not be set together with {}", group.join(", ")));
            Database::Memory
        }
        (Some(url), []) => reader.read("DATABASE_URL", Database::Memory, |_| parse(url)),
        (None, [_, ..]) => from_group(reader).unwrap_or(Database::Memory),
        (None, []) => Database::Sqlite("sqlite://auth.db".to_owned()),
    }
}

fn parse(url: &str) -> Result<Database, String> {
    match url.split_once(':') {
        Some(("memory", "")) => Ok(Database::Memory),
        Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
            "" => Err("names no file: `sqlite://auth.db`".to_owned()),
            path if path.contains('?') => Err("must have no parameters".to_owned()),
            _ => Ok(Database::Sqlite(url.to_owned())),
        },
        Some(("mysql" | "mariadb", _)) => MySqlOptions::from_url(url)
            .map(Box::new)
            .map(Database::MySql)
            .map_err(|error| format!("is {error}")),
        Some(("postgres" | "postgresql", _)) => PgOptions::from_url(url)
            .map(Box::new)
            .map(Database::Postgres)
            .map_err(|error| format!("is {error}")),
        _ => Err("must be `sqlite://FILE`, `postgres://...`, `mysql://...` or `memory:`".to_owned()),
    }
}

/// The kind of server that the variables name in parts.
#[derive(Clone, Copy)]
enum Engine {
    MySql,
    Postgres,
}

fn from_group(reader: &mut Reader<'_>) -> Option<Database> {
    let engine = reader.choice(
        "DATABASE_ENGINE",
        Engine::MySql,
        &[("mysql", Engine::MySql), ("postgres", Engine::Postgres)],
    );
    let port = reader
        .read("DATABASE_PORT", None, |text| text.parse::<u16>().map(Some).map_err(|_| "must be a port"));
    let tls = reader.choice("DATABASE_SSL", None, &[("true", Some(true)), ("false", Some(false))]);
    let authorities = reader.read("DATABASE_SSL_CA", None, |path| match File::open(path) {
        Err(error) => Err(format!("cannot be read: {}", error.kind())),
        Ok(_) if tls == Some(false) => Err("must not be set where DATABASE_SSL is `false`".to_owned()),
        Ok(_) => Ok(Some(path.to_owned())),
    });
    let mut required = |name| {
        let text = reader.text(name);
        if text.is_none() {
            reader.problem(name, "is missing beside the other DATABASE_ variables");
        }
        text
    };
    let (host, user, name) =
        (required("DATABASE_HOST"), required("DATABASE_USER"), required("DATABASE_NAME"));
    let (host, user, name) = (host?, user?, name?);
    let password = reader.text("DATABASE_PASSWORD");
    // The two kinds of options have the same methods.
    macro_rules! options {
        ($options:ident) => {{
            let mut options = $options::new(host, name).user(user);
            if let Some(password) = password {
                options = options.password(password);
            }
            if let Some(port) = port {
                options = options.port(port);
            }
            Box::new(match (tls, authorities) {
                (_, Some(file)) => options.tls_ca_file(file),
                (Some(true), None) => options.verified_tls(),
                (Some(false), None) => options.plaintext(),
                (None, None) => options,
            })
        }};
    }
    Some(match engine {
        Engine::MySql => Database::MySql(options!(MySqlOptions)),
        Engine::Postgres => Database::Postgres(options!(PgOptions)),
    })
}
