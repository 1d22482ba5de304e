-- Runs once, as the superuser, when the volume is empty: one database for Dagster's storage, one for the lake's
-- catalogue. Each has a role of its own, so that an analyst who is given the lake's can't touch the run history.

\getenv dagster_password DAGSTER_POSTGRES_PASSWORD
\getenv lake_password LAKE_POSTGRES_PASSWORD

CREATE ROLE dagster LOGIN PASSWORD :'dagster_password';
CREATE ROLE lake LOGIN PASSWORD :'lake_password';

CREATE DATABASE dagster OWNER dagster;
CREATE DATABASE lake OWNER lake;

-- Any role may connect to any database otherwise.
REVOKE CONNECT ON DATABASE dagster FROM PUBLIC;
REVOKE CONNECT ON DATABASE lake FROM PUBLIC;
