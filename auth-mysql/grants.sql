-- The account of a running service, with every right it needs and no other. Another account, the owner
-- of the database, makes the tables once: `MySqlOptions::open` does so where it may, and only checks
-- them where it may not. Put the name of your database for `shop` and a real password.
--
-- CREATE USER 'auth_app'@'%' IDENTIFIED BY '...' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_users TO 'auth_app'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_sessions TO 'auth_app'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_one_time_tokens TO 'auth_app'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_outbox TO 'auth_app'@'%';
GRANT SELECT ON shop.auth_migrations TO 'auth_app'@'%';
