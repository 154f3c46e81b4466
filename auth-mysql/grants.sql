-- The account of a running service: every privilege that it needs, and no other. Replace `shop` by
-- the name of your database, and set a real password.
--
-- Another account, the owner of the database, creates the tables once. `MySqlOptions::open` creates
-- them if its account may, and otherwise only checks them.
--
-- CREATE USER 'auth_app'@'%' IDENTIFIED BY '...' REQUIRE SSL;
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_users TO 'auth_app'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_sessions TO 'auth_app'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_one_time_tokens TO 'auth_app'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.auth_outbox TO 'auth_app'@'%';
GRANT SELECT ON shop.auth_migrations TO 'auth_app'@'%';
