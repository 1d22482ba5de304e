-- Runs once, as the superuser, when the volume is empty: one database for Dagster's storage, one for the lake's
-- catalogue, and a role for each need. `lake` owns the catalogue and brings it up to a release; `lake_ingest` adds and
-- changes lines, and can't drop what it doesn't own; `lake_read` reads. None of them can touch the run history.

\getenv dagster_password DAGSTER_POSTGRES_PASSWORD
\getenv lake_password LAKE_POSTGRES_PASSWORD
\getenv ingest_password LAKE_INGEST_PASSWORD
\getenv read_password LAKE_READ_PASSWORD

CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE ROLE lake LOGIN PASSWORD :'lake_password';
CREATE ROLE lake_ingest LOGIN PASSWORD :'ingest_password';
CREATE ROLE lake_read LOGIN PASSWORD :'read_password';
ALTER ROLE lake_read SET default_transaction_read_only = on;

-- DuckLake keeps small writes in tables of their own, which belong to whoever wrote first; maintenance drops them.
GRANT lake_ingest TO lake;

CREATE DATABASE dagster OWNER dagster;
CREATE DATABASE lake OWNER lake;

-- Any role may connect to any database otherwise.
REVOKE ALL ON DATABASE dagster FROM PUBLIC;
REVOKE ALL ON DATABASE lake FROM PUBLIC;
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE lake TO lake_ingest, lake_read;

\connect lake

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO lake, lake_ingest;
GRANT USAGE ON SCHEMA public TO lake_read;
ALTER DEFAULT PRIVILEGES FOR ROLE lake IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO lake_ingest;
ALTER DEFAULT PRIVILEGES FOR ROLE lake IN SCHEMA public GRANT SELECT ON TABLES TO lake_read;
ALTER DEFAULT PRIVILEGES FOR ROLE lake_ingest IN SCHEMA public GRANT SELECT ON TABLES TO lake_read;
