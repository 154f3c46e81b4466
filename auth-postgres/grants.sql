-- The role of a running service: every privilege that it needs, and no other. Replace `public` by the
-- schema of the tables, and set a real password.
--
-- Another role, the owner of the schema, creates the tables once. `PgOptions::open` creates them if its
-- role may, and otherwise only checks them.
--
-- CREATE ROLE auth_app LOGIN PASSWORD '...';
GRANT USAGE ON SCHEMA public TO auth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.auth_users TO auth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.auth_sessions TO auth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.auth_one_time_tokens TO auth_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.auth_outbox TO auth_app;
GRANT SELECT ON public.auth_migrations TO auth_app;
