//! The list of migrations that a dialect embeds.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Makes a migrator of versions, descriptions and SQL texts.
///
/// Its table is `auth_migrations`, not sqlx's default: a service may keep its own migrations in the
/// same database.
pub fn migrator(migrations: &[(i64, &'static str, &'static str)]) -> Migrator {
    let migration = |&(version, description, sql): &(i64, &'static str, &'static str)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    let mut migrator = Migrator::with_migrations(migrations.iter().map(migration).collect());
    migrator.dangerous_set_table_name("auth_migrations");
    migrator
}
